#include "process_group.h"

// The wheel is built with gloo and says so to its own files only.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <map>

#include "../base/error.h"

namespace siam::distributed {
namespace {

using Kind = c10d::ProcessGroup::BackendType;

/// The first line, without where in torch's sources it was thrown.
std::string first_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  text = text.substr(0, text.find('\n'));
  const size_t source = text.find("] ");
  return text[0] == '[' && source != std::string::npos ? text.substr(source + 2) : text;
}

}  // namespace

struct ProcessGroup::Parts {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
};

ProcessGroup::ProcessGroup(const GroupOptions& options) : options_(options), parts_(std::make_unique<Parts>()) {
  if (options.backend != "gloo") throw SiamException("ERR_DEVICE", "Expected gloo for the backend of the process group but received '" + options.backend + "'");
  guarded("meet the other ranks", [&] {
    c10d::TCPStoreOptions store;
    store.port = static_cast<uint16_t>(options.port);
    store.isServer = options.rank == 0;
    store.numWorkers = static_cast<size_t>(options.size);
    store.timeout = options.timeout;
    parts_->store = c10::make_intrusive<c10d::TCPStore>(options.address, store);

    const auto gloo = c10d::ProcessGroupGloo::Options::create(options.timeout);
    const bool local = options.address == "127.0.0.1" || options.address == "localhost";
    const std::string host = !options.host.empty() ? options.host : local ? "127.0.0.1" : "";
    gloo->devices.push_back(host.empty() ? c10d::ProcessGroupGloo::createDefaultDevice() : c10d::ProcessGroupGloo::createDeviceForHostname(host));
    const auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", parts_->store), options.rank, options.size, gloo);
    parts_->group = c10::make_intrusive<c10d::ProcessGroup>(c10::make_intrusive<c10d::PrefixStore>("group", parts_->store), options.rank, options.size);
    parts_->group->setBackend(c10::DeviceType::CPU, Kind::GLOO, backend);
    parts_->group->setBackend(c10::DeviceType::CUDA, Kind::GLOO, backend);
    parts_->group->setDefaultBackend(Kind::GLOO);
    parts_->group->setGroupName("siamfcpp");
  });
}

ProcessGroup::~ProcessGroup() = default;

c10d::ProcessGroup& ProcessGroup::group() const { return *parts_->group; }

void ProcessGroup::fail(const char* what, const std::exception& error) const {
  const std::string rank = "rank " + std::to_string(options_.rank) + " of " + std::to_string(options_.size);
  throw SiamException("ERR_DISTRIBUTED", rank + " could not " + what + ": " + first_line(error) + " (another rank has ended or is too late: look at its own messages)");
}

namespace {

/// One flat tensor for each dtype, so that many small tensors are one exchange.
template <class Exchange>
void by_dtype(const std::vector<at::Tensor>& tensors, Exchange&& exchange) {
  std::map<at::ScalarType, std::vector<at::Tensor>> groups;
  for (const auto& tensor : tensors) groups[tensor.scalar_type()].push_back(tensor);
  for (auto& [dtype, members] : groups) {
    std::vector<at::Tensor> flat;
    for (const auto& tensor : members) flat.push_back(tensor.reshape(-1));
    std::vector<at::Tensor> all{at::cat(flat)};
    exchange(all);
    int64_t at = 0;
    for (auto& tensor : members) {
      tensor.copy_(all[0].slice(0, at, at + tensor.numel()).view(tensor.sizes()));
      at += tensor.numel();
    }
  }
}

}  // namespace

void ProcessGroup::broadcast(const std::vector<at::Tensor>& tensors) {
  const c10::NoGradGuard no_grad;
  guarded("receive rank 0's values", [&] {
    by_dtype(tensors, [&](std::vector<at::Tensor>& all) { parts_->group->broadcast(all)->wait(); });
  });
}

void ProcessGroup::average(const std::vector<at::Tensor>& tensors) {
  const c10::NoGradGuard no_grad;
  guarded("average values over the ranks", [&] {
    by_dtype(tensors, [&](std::vector<at::Tensor>& all) {
      parts_->group->allreduce(all)->wait();
      all[0].div_(options_.size);
    });
  });
}

void ProcessGroup::maximum(const at::Tensor& tensor) {
  const c10::NoGradGuard no_grad;
  guarded("compare values over the ranks", [&] {
    std::vector<at::Tensor> all{tensor};
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::MAX;
    parts_->group->allreduce(all, options)->wait();
  });
}

void ProcessGroup::barrier() {
  guarded("wait for the other ranks", [&] { parts_->group->barrier()->wait(); });
}

}  // namespace siam::distributed
