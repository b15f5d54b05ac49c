"""Networks that come in files of other programs: Keras, ONNX, timm, Caffe."""
