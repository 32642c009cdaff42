#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "siam_track.h"

namespace siam::core {

/// Moves the buffers among `entries` into one tensor: each keeps its name, dtype, shape and values and becomes a view of a part of it. So all
/// of them are copied by one kernel (core/buffer_stash.h).
///
/// Parts begin at multiples of 64 bytes, as allocations of their own would. The tensor holds words, for buffers are float32
/// (running statistics) and int64 (num_batches_tracked), and copies of words leave any bits as they are.
/// @returns int64 [words], on the buffers' device; of size 0 where there is none
/// @pre no buffer is an alias of another entry, and all are contiguous and on one device
at::Tensor flatten_buffers(const std::vector<StateEntry>& entries);

/// The buffers of a model, as something to copy. Thread: engine.
class ModelBuffers {
 public:
  /// Flattens those of our own modules. A script may replace its buffers by others, so they stay where they are.
  explicit ModelBuffers(SiamTrack model);

  /// Of our own modules, all in one.
  at::Tensor& flat() { return flat_; }
  /// Of a TorchScript backbone, as they are now; none otherwise.
  std::vector<StateEntry> script() const;
  /// In evaluation mode nothing changes buffers.
  bool training() const { return model_->is_training(); }
  /// How often the state was loaded from outside: whoever loads says so.
  uint64_t loads() const { return loads_; }
  void note_load() { loads_++; }

 private:
  SiamTrack model_;
  bool scripted_;
  at::Tensor flat_;
  uint64_t loads_ = 0;
};

}  // namespace siam::core
