"""Running a job on a thread of its own: worker, mailbox, controller, history."""
