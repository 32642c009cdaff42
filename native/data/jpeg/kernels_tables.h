// The tables of kernels.h that exist beside the portable one. Each is to be called only on a CPU that has the instructions.
#pragma once

#include "kernels.h"

namespace siam::data::jpeg {

#if defined(__x86_64__)
const Kernels& Avx2Kernels();
#endif

}  // namespace siam::data::jpeg
