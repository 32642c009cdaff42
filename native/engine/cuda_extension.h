// What needs CUDA's headers, behind interfaces that need none: CUDA graphs, and NCCL for c10d. It is a library of its own, siamfcpp_cuda.so beside
// the addon, built where the headers are found (native/cuda_target) and opened at run time after libtorch_cuda.so.
//
// This header is the whole contract between the two libraries. Whoever changes it raises kVersion: the library may be an older build's.
#pragma once

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace siam::engine {

/// Work of a device that is recorded once and then repeated as a whole: the same kernels, on the same memory.
///
/// Rules for what is captured, each with what happens otherwise:
/// 1. It has run once before, on the same shapes, outside. Libraries choose kernels and make handles at the first run, which a capture forbids.
/// 2. It neither waits for the device nor reads from it. The capture fails.
/// 3. What it reads and writes stays where it is: tensors that come from outside are kept, and filled by copy_ before a replay. What it
///    allocates lies in the graph's own memory, is overwritten by each replay, and goes with the graph.
/// Thread: the one that began, until end() or abandon(); replays are of one thread, too.
class CudaGraph {
 public:
  virtual ~CudaGraph() = default;
  /// Waits for the device, and makes a stream of its own current until end() or abandon(). Work given to it is recorded and not done.
  /// Other threads may go on using the device.
  virtual void begin() = 0;
  /// @throws c10::Error when something that cannot be captured was among the work; the graph is then empty, and the old stream current
  virtual void end() = 0;
  /// Ends a capture of which something failed. The graph is empty then and may begin anew.
  virtual void abandon() noexcept = 0;
  /// Gives the recorded work to the current stream. @throws c10::Error when nothing was captured
  virtual void replay() = 0;

  /// begin(), work(), end().
  void capture(const std::function<void()>& work) {
    begin();
    try {
      work();
    } catch (...) {
      abandon();
      throw;
    }
    end();
  }
};

/// One rank of a group over NCCL.
struct NcclOptions {
  int rank = 0;
  int size = 1;
  c10::DeviceIndex device = 0;
  /// How long an exchange may take before it is given up.
  std::chrono::milliseconds timeout{0};
};

/// What the library exports.
struct CudaExtension {
  static constexpr uint32_t kVersion = 1;
  /// The exported function: `extern "C" const CudaExtension* siamfcpp_cuda_extension()`.
  static constexpr const char* kSymbol = "siamfcpp_cuda_extension";

  uint32_t version;
  /// TORCH_VERSION that it was built with.
  const char* torch_version;
  std::unique_ptr<CudaGraph> (*make_graph)(c10::DeviceIndex device);
  /// NCCL_VERSION_CODE of the headers; 0: built without NCCL's header.
  int nccl_version;
  /// A backend for c10d::ProcessGroup::setBackend(CUDA, NCCL, …). Null where nccl_version is 0. @throws c10::Error
  c10::intrusive_ptr<c10d::Backend> (*make_nccl)(const c10::intrusive_ptr<c10d::Store>& store, const NcclOptions& options);
};

struct CudaExtensionReport {
  const CudaExtension* extension = nullptr;
  std::string path;    ///< where it is, or should be
  std::string reason;  ///< why there is none, and what to do about it; empty when there is
};

/// Opens the library at the first call, where CUDA is available. Never throws. Any thread.
const CudaExtensionReport& cuda_extension();

/// @param what  "CUDA graphs", for the message     @throws ERR_SETUP where the library is not there, ERR_DEVICE where there is no CUDA
const CudaExtension& require_cuda_extension(const char* what);
/// The same for make_nccl, which is not null then. @throws ERR_SETUP also where the library was built without NCCL's header
const CudaExtension& require_nccl();

}  // namespace siam::engine
