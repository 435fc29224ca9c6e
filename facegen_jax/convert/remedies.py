"""The ways out for files that are not read: what they are, and how to get one that is."""

SAVE = "safetensors.numpy.save_file(arrays, 'network.safetensors'), and convert that"
"""The end of every remedy: safetensors with PyTorch's or TensorFlow's names can be converted."""
ONNX = (
    "an ONNX network; with the package onnx: arrays = {t.name: onnx.numpy_helper.to_array(t) for t "
    f"in onnx.load('FILE').graph.initializer}}; {SAVE}"
)
CHECKPOINT = (
    "a TensorFlow checkpoint; with tensorflow: r = tensorflow.train.load_checkpoint('PREFIX'); "
    "arrays = {n: r.get_tensor(n) for n in r.get_variable_to_shape_map() if 'GRAPH' not in n}; "
    f"{SAVE} (PREFIX is the path without .index, .meta or .data-...)"
)
SAVED_MODEL = (
    "a TensorFlow SavedModel; give the prefix of its checkpoint, FOLDER/variables/variables, to "
    f"tensorflow: r = tensorflow.train.load_checkpoint(PREFIX); arrays = {{n: r.get_tensor(n) for "
    f"n in r.get_variable_to_shape_map() if 'GRAPH' not in n}}; {SAVE}"
)
META = "a TensorFlow graph (.meta), which holds no weights; they are in the checkpoint beside it"
FROZEN = (
    "a frozen TensorFlow graph (.pb); convert the checkpoint or the Keras file that it was made of"
)
MXNET = (
    "MXNet's .params; with mxnet: arrays = {n.split(':')[-1].replace('_weight', '.weight')"
    ".replace('_bias', '.bias'): a.asnumpy() for n, a in mxnet.nd.load('FILE').items()}; " + SAVE
)
PADDLE = (
    "PaddlePaddle parameters; with paddle: arrays = {n: a.numpy() for n, a in paddle.load('FILE')"
    ".items()}, those of fc6 to fc8 transposed (.T.copy()); " + SAVE
)
PICKLE = (
    "a Python pickle, which can run code when it is loaded; where you trust it, load it and save "
    "its arrays by name: " + SAVE
)
DISTRIBUTED = (
    "a checkpoint of torch.distributed; with torch: torch.distributed.checkpoint.format_utils."
    "dcp_to_torch_save(FOLDER, 'network.pth'), and convert that"
)
SHARD = (
    "one of {} shards of a network; merge them: arrays = {{}}; for each of them arrays |= "
    "safetensors.numpy.load_file(SHARD) (or torch.load); "
) + SAVE
MADE_OF = "convert the network that it was made of (PyTorch, Keras, Caffe or safetensors)"
ORBAX_PART = "a part of an Orbax checkpoint; give its folder"
COMPRESSED = "unpack it, and convert what it holds"
GZIP = f"a gzip file that holds no tarball; {COMPRESSED}"
