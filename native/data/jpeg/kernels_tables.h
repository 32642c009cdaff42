// The tables of kernels.h one by one, for checks. The fastest comes last.
#pragma once

#include <vector>

#include "kernels.h"

namespace siam::data::jpeg {

#if defined(__x86_64__)
/// To be called only on a CPU that has the instructions (AVX-512: F, BW, VL and VBMI).
const Kernels& Avx2Kernels();
const Kernels& Avx512Kernels();
#endif

/// Every table that this CPU runs, the portable one first.
std::vector<const Kernels*> KernelTables();

}  // namespace siam::data::jpeg
