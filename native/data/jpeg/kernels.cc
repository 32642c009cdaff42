#include "kernels.h"

#include "kernels_tables.h"

namespace siam::data::jpeg {

const Kernels& KernelsOfThisCpu() { return PortableKernels(); }

}  // namespace siam::data::jpeg
