#include "nccl_backend.h"

// The wheel is built with NCCL and says so to its own files only.
#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>
#include <string>

namespace siam::cuda_target {
namespace {

/// torch's backend with what a process of ours needs of its threads. torch reads that from the environment; to set variables in a process that
/// has threads is not safe, so it is set here. A variable that the user has set counts all the same.
class Nccl final : public c10d::ProcessGroupNCCL {
 public:
  Nccl(const c10::intrusive_ptr<c10d::Store>& store, const engine::NcclOptions& options, c10::intrusive_ptr<Options> settings)
      : ProcessGroupNCCL(store, options.rank, options.size, std::move(settings)) {
    // When a rank is lost, the watchdog ends the exchange that hangs on it, and the next one throws. torch's default aborts the process instead,
    // and nobody could say which rank was lost, or write what should be written.
    if (std::getenv("TORCH_NCCL_ASYNC_ERROR_HANDLING") == nullptr && std::getenv("NCCL_ASYNC_ERROR_HANDLING") == nullptr) asyncErrorHandling_ = c10d::CleanUpOnly;
    // The monitor of the watchdog would abort the process, too, with a training that only stands still (a debugger, a suspended machine).
    if (std::getenv("TORCH_NCCL_ENABLE_MONITORING") == nullptr && heartbeatMonitor_) heartbeatMonitor_->stop();
  }

  /// Without waiting for ranks that may be gone: nothing is under way any more that anybody would read.
  ~Nccl() override {
    try {
      abort();
    } catch (const std::exception&) {
    }
  }
};

}  // namespace

int nccl_version() { return NCCL_VERSION_CODE; }

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, const engine::NcclOptions& options) {
  const at::Device device(at::kCUDA, options.device);
  const c10::DeviceGuard guard(device);
  // High priority: a reduction that is ready should not wait behind the rest of backward.
  auto settings = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  settings->timeout = options.timeout;
  auto backend = c10::make_intrusive<Nccl>(store, options, std::move(settings));
  backend->setBoundDeviceId(device);
  // Now, not at the first exchange: two ranks on one GPU, or no way between two machines, then show at the start.
  try {
    backend->eagerConnectSingleDevice(device);
  } catch (const c10::Error& error) {
    // torch puts what NCCL says last, after where in its own sources the call was.
    const std::string text = error.what_without_backtrace(), mark = "Last error:\n";
    const size_t at = text.find(mark);
    if (at == std::string::npos || at + mark.size() >= text.size()) throw;
    const std::string said = text.substr(at + mark.size());
    C10_THROW_ERROR(DistBackendError, "NCCL: " + said.substr(0, said.find('\n')) + " (NCCL_DEBUG=INFO in the environment tells more)");
  }
  return backend;
}

}  // namespace siam::cuda_target
