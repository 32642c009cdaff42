#include "kernels.h"

#include "kernels_tables.h"

namespace siam::data::jpeg {

std::vector<const Kernels*> KernelTables() {
  std::vector<const Kernels*> tables{&PortableKernels()};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) tables.push_back(&Avx2Kernels());
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi")) {
    tables.push_back(&Avx512Kernels());
  }
#endif
  return tables;
}

const Kernels& KernelsOfThisCpu() {
  static const Kernels& fastest = *KernelTables().back();
  return fastest;
}

}  // namespace siam::data::jpeg
