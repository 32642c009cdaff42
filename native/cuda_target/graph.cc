#include "graph.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

namespace siam::cuda_target {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

class Graph final : public engine::CudaGraph {
 public:
  explicit Graph(c10::DeviceIndex device) : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}
  ~Graph() override {
    if (old_stream_) abandon();
  }

  void begin() override {
    TORCH_CHECK(!old_stream_, "CudaGraph: expected end() or abandon() before a second begin()");
    graph_.reset();  // first, so that its memory serves the new capture
    const c10::DeviceGuard device(stream_.device());
    c10::cuda::device_synchronize();
    // A capture allocates from memory of its own: what is kept for eager work would be missing there, and cannot be freed meanwhile.
    allocator::emptyCache();
    pool_ = at::cuda::graph_pool_handle();
    graph_ = std::make_unique<at::cuda::CUDAGraph>();
    old_stream_ = std::make_unique<c10::StreamGuard>(stream_.unwrap());
    try {
      // Not the global mode: loader threads lock memory in pages, which that mode forbids to the whole process.
      graph_->capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    } catch (...) {
      abandon();
      throw;
    }
  }

  void end() override {
    TORCH_CHECK(old_stream_, "CudaGraph: expected begin() before end()");
    try {
      graph_->capture_end();
      old_stream_.reset();
    } catch (...) {
      abandon();
      throw;
    }
  }

  void abandon() noexcept override {
    if (!old_stream_) return;
    // Ends the capture of the stream. An invalid one, which is why we are here, throws and leaves the rest undone: the allocators would go on
    // asking at every allocation whether it is the capture's, and free nothing that another stream has used.
    attempt([&] { graph_->capture_end(); });
    old_stream_.reset();
    const auto device = stream_.device_index();
    if (attempt([&] { allocator::endAllocateToPool(device, pool_); })) {
      at::HostAllocator* host = at::getHostAllocator(at::kCUDA);
      attempt([&] { host->end_allocate_to_pool(pool_); });
      attempt([&] { allocator::releasePool(device, pool_); });
      attempt([&] { host->release_pool(pool_); });
    }
    graph_.reset();
  }

  void replay() override {
    TORCH_CHECK(graph_ && !old_stream_, "CudaGraph: expected a finished capture before replay()");
    graph_->replay();
  }

 private:
  template <class Work>
  static bool attempt(Work&& work) noexcept {
    try {
      work();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  const c10::cuda::CUDAStream stream_;
  c10::MempoolId_t pool_{0, 0};
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
  std::unique_ptr<c10::StreamGuard> old_stream_;  ///< set while capturing
};

}  // namespace

std::unique_ptr<engine::CudaGraph> make_graph(c10::DeviceIndex device) { return std::make_unique<Graph>(device); }

}  // namespace siam::cuda_target
