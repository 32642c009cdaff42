// The kernels once, for the SIAM_DTYPE, V, KH and KW that are defined; included inside a namespace of its own.
#include "../../../native/core/cuda/kernels/common.cu"
#include "../../../native/core/cuda/kernels/batch_norm.cu"
#undef THREADS
#include "../../../native/core/cuda/kernels/norm_pool.cu"
#undef THREADS
#include "../../../native/core/cuda/kernels/average_pool.cu"
#undef THREADS
#include "../../../native/core/cuda/kernels/xcorr.cu"
#undef THREADS
#include "../../../native/core/cuda/kernels/image.cu"
#undef THREADS
#include "../../../native/core/cuda/kernels/losses.cu"
#undef THREADS
#undef STRIP
#undef GROUP
#undef SLICES
#undef LANES
#undef GROUPS
#undef TINY
#undef ELEMENT_BYTES
#undef PACK_BYTES
#undef PACK_WORDS

static Element element(float value) { return narrow(value); }
static float number(Element e) { return widen(e); }
