// torch's default generator belongs to the process, not to an environment or a thread.
#pragma once

#include <mutex>

namespace siam::core {

/// Held by whoever seeds torch's default generator, draws from it, or reads or sets its state. Without it the engines of two environments
/// (worker_threads) that build models at once draw from each other's sequence, and one seed gives many networks.
inline std::mutex& default_generator_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace siam::core
