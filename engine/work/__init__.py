"""What is kept: jobs in a queue that survives the program, and the files that they become."""
