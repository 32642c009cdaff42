// The door through which a backend comes in that needs CUDA's headers, and therefore is built apart from this library.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "process_group.h"

namespace siam::distributed {

/// Makes a backend for tensors of `options.device`, which all ranks make at the same time.
/// @param store  this backend's own part of the ranks' store     @throws c10::Error
using BackendFactory = c10::intrusive_ptr<c10d::Backend> (*)(const c10::intrusive_ptr<c10d::Store>& store, const GroupOptions& options);

/// Where NCCL's factory is kept, nullptr until the optional target has set it. Thread: engine.
BackendFactory& nccl_factory();

}  // namespace siam::distributed
