#include "average_pool.h"

#include <limits>

#include "../dispatch.h"
#include "jit.h"

namespace siam::core::cuda {

at::Tensor mean_3x3(const at::Tensor& x) {
  if (!takes(x) || x.dim() != 4 || x.suggest_memory_format() != at::MemoryFormat::ChannelsLast) return {};
  const int vector = vector_of(x.size(1), x.scalar_type());
  const int64_t total = x.numel() / vector;
  if (total > std::numeric_limits<int>::max()) return {};
  const Module* module = module_for({"average_pool", x.scalar_type(), vector}, x.device());
  if (module == nullptr) return {};
  const at::Tensor dense = arranged(x, at::MemoryFormat::ChannelsLast);
  at::Tensor y = at::empty_like(dense);
  module->launch("mean_3x3", ceil_div(total, kThreads), 1, kThreads, dense.data_ptr(), y.data_ptr(), static_cast<unsigned>(total), static_cast<unsigned>(x.size(2)),
                 static_cast<unsigned>(x.size(3)), static_cast<unsigned>(x.size(1) / vector));
  return y;
}

}  // namespace siam::core::cuda
