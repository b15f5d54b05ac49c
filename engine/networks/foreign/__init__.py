"""Networks from files of other programs: Keras, ONNX, timm, Caffe."""
