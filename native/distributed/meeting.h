// How the ranks of a run find each other, and learn of one that does not come.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <atomic>
#include <chrono>
#include <string>

namespace c10d {
class Store;
}

namespace siam::distributed {

struct Meeting {
  std::string address;  ///< where the store is kept: rank 0's machine, or the agent's of torchrun
  int port = 0;
  int rank = 0;
  int size = 1;
  bool keeps_store = false;  ///< this process listens at `port`; torchrun's agents do it for their workers
  std::string prefix;        ///< before all keys of this run; tells attempts apart that share a store
  std::chrono::milliseconds timeout{0};
};

/// Opens the store and returns when all ranks are there. Another thread may set `cancelled` to end the wait.
/// @throws ERR_DISTRIBUTED when the port is taken, rank 0 cannot be reached, a rank is missing (and which) or there twice, or another rank failed;
///         ERR_CONFIG when ranks were started with different WORLD_SIZEs; ERR_ABORTED when cancelled. Thread: engine.
c10::intrusive_ptr<c10d::Store> meet(const Meeting& meeting, const std::atomic<bool>& cancelled);

/// Returns when all ranks have called it with this `place`, each place once. Costs some milliseconds; for waits that may be long (data are
/// indexed, a snapshot is written), where an exchange's short time-out would take a slow rank for a lost one.
/// @throws as meet()
void gather_at(c10d::Store& store, const Meeting& meeting, const std::string& place, const std::atomic<bool>& cancelled);

/// Tells ranks that wait in meet() or gather_at() that this one has failed, so that they need not wait for the time-out. Never throws: the store
/// may be gone.
void leave_failed(c10d::Store& store, int rank, const std::string& reason) noexcept;

}  // namespace siam::distributed
