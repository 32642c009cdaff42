#include "process_group.h"

// The wheel is built with gloo and says so to its own files only.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <c10/util/Flags.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <thread>

#include "../engine/cuda_extension.h"
#include "meeting.h"

C10_DECLARE_int(caffe2_log_level);

namespace siam::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = c10d::ProcessGroup::BackendType;
using std::chrono::milliseconds;

constexpr milliseconds kPause{20};
/// Bytes go in parts that each take well under the time-out of an exchange.
constexpr size_t kPartBytes = size_t{16} << 20;

/// The first line, without where in torch's sources it was thrown.
std::string first_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  text = text.substr(0, text.find('\n'));
  const size_t source = text.find("] ");
  return text[0] == '[' && source != std::string::npos ? text.substr(source + 2) : text;
}

/// A lost rank is an error of ours that says so: libtorch's own warnings of it are stack traces. Whoever wants them asks for them.
void quiet_libtorch() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = 3;  // fatal ones alone
}

engine::NcclOptions nccl_options(const GroupOptions& options) {
  const c10::DeviceIndex device = at::Device(options.device).index();
  return {options.rank, options.size, std::max<c10::DeviceIndex>(device, 0), options.timeout};
}

/// @returns whether `holds` came true in time
template <class Condition>
bool wait_until(milliseconds limit, Condition&& holds) {
  for (const auto end = Clock::now() + limit;; std::this_thread::sleep_for(kPause)) {
    if (holds()) return true;
    if (Clock::now() >= end) return false;
  }
}

}  // namespace

struct ProcessGroup::Parts {
  Meeting meeting;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> control;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
};

ProcessGroup::ProcessGroup(const GroupOptions& options) : options_(options), parts_(std::make_unique<Parts>()) {
  quiet_libtorch();
  const bool nccl = options.backend == "nccl";
  if (options.backend != "gloo" && !nccl) throw SiamException("ERR_DEVICE", "Expected gloo or nccl for the backend of the process group but received '" + options.backend + "'");
  // Now, and not when the others are met: they would wait for a rank that cannot follow.
  if (nccl) engine::require_nccl();
  if (nccl && !at::Device(options.device).is_cuda()) throw SiamException("ERR_DEVICE", "Expected a CUDA device for the backend nccl but received '" + options.device + "'");
  parts_->meeting = {options.address, options.port, options.rank, options.size, options.keeps_store, options.prefix, options.start_timeout};
  parts_->store = meet(parts_->meeting, *options.cancelled);
  open_channels();
}

ProcessGroup::~ProcessGroup() = default;

void ProcessGroup::open_channels() {
  guarded("connect to the other ranks", [&] {
    const bool local = options_.address == "127.0.0.1" || options_.address == "localhost";
    const std::string host = !options_.host.empty() ? options_.host : local ? "127.0.0.1" : "";
    const auto part_of_store = [&](const char* name) { return c10::make_intrusive<c10d::PrefixStore>(name, parts_->store); };
    const auto gloo = [&](const char* name) {
      const auto options = c10d::ProcessGroupGloo::Options::create(options_.start_timeout);
      options->devices.push_back(host.empty() ? c10d::ProcessGroupGloo::createDefaultDevice() : c10d::ProcessGroupGloo::createDeviceForHostname(host));
      const c10::intrusive_ptr<c10d::Backend> backend = c10::make_intrusive<c10d::ProcessGroupGloo>(part_of_store(name), options_.rank, options_.size, options);
      backend->setTimeout(options_.timeout);
      return backend;
    };
    parts_->control = gloo("control");
    parts_->group = c10::make_intrusive<c10d::ProcessGroup>(part_of_store("group"), options_.rank, options_.size);
    const auto gradients = gloo("gradients");
    parts_->group->setBackend(c10::DeviceType::CPU, Kind::GLOO, gradients);
    if (options_.backend == "nccl") {
      parts_->group->setBackend(c10::DeviceType::CUDA, Kind::NCCL, engine::require_nccl().make_nccl(part_of_store("nccl"), nccl_options(options_)));
      parts_->group->setDefaultBackend(Kind::NCCL);
    } else {
      parts_->group->setBackend(c10::DeviceType::CUDA, Kind::GLOO, gradients);
      parts_->group->setDefaultBackend(Kind::GLOO);
    }
    parts_->group->setGroupName("siamfcpp");
  });
}

ProcessGroup::Parts& ProcessGroup::parts() const {
  if (parts_ == nullptr) throw SiamException("ERR_DISTRIBUTED", place() + ": this process group has ended");
  return *parts_;
}

c10d::ProcessGroup& ProcessGroup::group() const { return *parts().group; }

std::string ProcessGroup::place() const { return "rank " + std::to_string(options_.rank) + " of " + std::to_string(options_.size); }

void ProcessGroup::fail(const char* what, const std::exception& error) const {
  throw SiamException("ERR_DISTRIBUTED", place() + " could not " + what + ": " + first_line(error));
}

void ProcessGroup::broadcast(const std::vector<at::Tensor>& tensors) {
  const c10::NoGradGuard no_grad;
  guarded("receive rank 0's values", [&] {
    // One flat tensor for each dtype, so that many small tensors are one exchange.
    std::map<at::ScalarType, std::vector<at::Tensor>> by_dtype;
    for (const auto& tensor : tensors) by_dtype[tensor.scalar_type()].push_back(tensor);
    for (auto& [dtype, members] : by_dtype) {
      std::vector<at::Tensor> flat;
      for (const auto& tensor : members) flat.push_back(tensor.reshape(-1));
      std::vector<at::Tensor> all{at::cat(flat)};
      group().broadcast(all)->wait();
      if (options_.rank == 0) continue;
      int64_t at = 0;
      for (auto& tensor : members) {
        tensor.copy_(all[0].slice(0, at, at + tensor.numel()).view(tensor.sizes()));
        at += tensor.numel();
      }
    }
  });
}

void ProcessGroup::sum(at::Tensor tensor) {
  guarded("add up values over the ranks", [&] {
    std::vector<at::Tensor> all{std::move(tensor)};
    if (all[0].is_cpu()) parts().control->allreduce(all)->wait();
    else group().allreduce(all)->wait();
  });
}

void ProcessGroup::average(std::vector<double>& values) {
  sum(at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kDouble));
  for (double& value : values) value /= options_.size;
}

void ProcessGroup::maximum(std::vector<double>& values) {
  guarded("compare values over the ranks", [&] {
    std::vector<at::Tensor> all{at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kDouble)};
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::MAX;
    parts().control->allreduce(all, options)->wait();
  });
}

void ProcessGroup::broadcast_bytes(std::vector<uint8_t>& bytes) {
  guarded("receive rank 0's bytes", [&] {
    int64_t size = static_cast<int64_t>(bytes.size());
    std::vector<at::Tensor> length{at::from_blob(&size, {1}, at::kLong)};
    parts().control->broadcast(length)->wait();
    bytes.resize(static_cast<size_t>(size));
    for (size_t at = 0; at < bytes.size(); at += kPartBytes) {
      std::vector<at::Tensor> part{at::from_blob(bytes.data() + at, {static_cast<int64_t>(std::min(kPartBytes, bytes.size() - at))}, at::kByte)};
      parts().control->broadcast(part)->wait();
    }
  });
}

void ProcessGroup::barrier() {
  guarded("wait for the other ranks", [&] { parts().control->barrier()->wait(); });
}

void ProcessGroup::gather_at(const std::string& place) { distributed::gather_at(*parts().store, parts().meeting, place, *options_.cancelled); }

void ProcessGroup::leave_failed(const std::string& reason) noexcept {
  if (parts_ != nullptr) distributed::leave_failed(*parts_->store, options_.rank, reason);
}

std::string ProcessGroup::failure(std::chrono::milliseconds wait) noexcept {
  if (parts_ == nullptr) return "";
  try {
    auto& store = *parts_->store;
    return wait_until(wait, [&] { return store.check({"failure"}); }) ? store.get_to_str("failure") : "";
  } catch (...) {  // rank 0 is gone, and the store with it
    return "";
  }
}

void ProcessGroup::leave(std::chrono::milliseconds wait) noexcept {
  if (parts_ == nullptr) return;
  parts_->group.reset();
  parts_->control.reset();
  try {
    parts_->store->add("left", 1);
    if (options_.keeps_store) wait_until(wait, [&] { return parts_->store->add("left", 0) >= options_.size; });
  } catch (...) {  // rank 0 is gone already
  }
  parts_.reset();
}

}  // namespace siam::distributed
