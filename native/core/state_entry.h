#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace siam::core {

/// One entry of the state dict, in the original's order.
struct StateEntry {
  std::string name;
  at::Tensor tensor;
  bool is_parameter;
  std::string alias_of;  ///< empty, or the name of an earlier entry that is the same tensor (only a TorchScript backbone has such)
};

}  // namespace siam::core
