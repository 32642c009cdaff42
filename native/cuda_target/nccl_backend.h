// NCCL for c10d.
#pragma once

#include "../engine/cuda_extension.h"

namespace siam::cuda_target {

/// NCCL_VERSION_CODE of the header it was compiled with.
int nccl_version();

/// Connects with the other ranks, whose call this one waits for.
/// @param store  of all ranks, with a prefix of this backend's own     @throws c10::Error, what NCCL says
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, const engine::NcclOptions& options);

}  // namespace siam::cuda_target
