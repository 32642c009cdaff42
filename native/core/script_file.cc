#include "script_file.h"

#include <caffe2/serialize/inline_container.h>
#include <sys/stat.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/csrc/jit/runtime/print_handler.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <map>

#include "../base/error.h"

namespace siam::core {

namespace jit = torch::jit;

namespace {

[[noreturn]] void fail(const std::string& path, const char* code, const std::string& message) { throw SiamException(code, "TorchScript backbone: " + message, path); }

/// What torch says, without its stack of C++ functions.
std::string plain_text(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
}

std::string one_line(std::string text, size_t at_most = 400) {
  std::string line;
  for (const char c : text) {
    const bool blank = c == '\n' || c == ' ' || c == '\t' || c == '\r';
    if (!blank) line += c;
    else if (!line.empty() && line.back() != ' ') line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line.size() > at_most ? line.substr(0, at_most) + "…" : line;
}

/// Says what a file is that torch would refuse in its own words.
void check_archive(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail(path, "ERR_IO", errno == ENOENT ? "no such file" : std::string("the file cannot be read: ") + std::strerror(errno));
  if (S_ISDIR(info.st_mode)) fail(path, "ERR_IO", "expected a file but this is a folder");
  const char* how = "; export the backbone with torch.jit.script(module).save(file)";
  try {
    caffe2::serialize::PyTorchStreamReader reader(path);
    if (reader.hasRecord("constants.pkl") && reader.hasRecord("data.pkl")) return;
    if (!reader.hasRecord("data.pkl")) fail(path, "ERR_CHECKPOINT", std::string("this zip file is no TorchScript archive (it has no data.pkl)") + how);
  } catch (const SiamException&) {
    throw;
  } catch (const std::exception& error) {
    fail(path, "ERR_CHECKPOINT", "the file is no TorchScript archive, or truncated (" + one_line(plain_text(error), 120) + ")" + how);
  }
  fail(path, "ERR_CHECKPOINT", std::string("this file holds tensors alone (torch.save), not TorchScript with its code") + how);
}

/// Bytes [begin, end) of its storage that a tensor reaches.
std::pair<int64_t, int64_t> extent(const at::Tensor& tensor) {
  int64_t last = tensor.storage_offset();
  for (int64_t i = 0; i < tensor.dim(); i++) last += (tensor.size(i) - 1) * tensor.stride(i);
  const auto item = static_cast<int64_t>(tensor.element_size());
  return {tensor.storage_offset() * item, (last + 1) * item};
}

struct Slot {
  jit::Module owner;
  std::string name, full_name;
  at::Tensor tensor;
};

void collect_slots(const jit::Module& module, const std::string& prefix, std::vector<Slot>& slots) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) slots.push_back({module, item.name, prefix + item.name, item.value});
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (item.value.defined()) slots.push_back({module, item.name, prefix + item.name, item.value});
  }
  for (const auto& child : module.named_children()) collect_slots(child.value, prefix + child.name + ".", slots);
}

/// Two modules that share a weight come out of a file with two tensors over the same memory: an optimizer would step it twice.
void tie_shared(const std::string& path, const jit::Module& module) {
  std::vector<Slot> slots;
  collect_slots(module, "", slots);
  std::map<const void*, std::vector<Slot>> by_storage;
  for (auto& slot : slots) {
    if (slot.tensor.numel() == 0) continue;
    auto& others = by_storage[slot.tensor.storage().unsafeGetStorageImpl()];
    bool tied = false;
    for (const auto& other : others) {
      const at::Tensor &a = other.tensor, &b = slot.tensor;
      const bool same = a.is_same(b) || (a.storage_offset() == b.storage_offset() && a.sizes() == b.sizes() && a.strides() == b.strides() && a.dtype() == b.dtype());
      if (same) {
        if (!a.is_same(b)) slot.owner.setattr(slot.name, a);
        tied = true;
        break;
      }
      const auto [begin, end] = extent(a);
      const auto [first, last] = extent(b);
      if (begin < last && first < end) fail(path, "ERR_CHECKPOINT", "'" + slot.full_name + "' shares a part of the memory of '" + other.full_name + "'; clone() one of them before the export");
    }
    if (!tied) others.push_back(slot);
  }
}

bool is_supported(at::ScalarType dtype) {
  constexpr at::ScalarType known[] = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool};
  return std::find(std::begin(known), std::end(known), dtype) != std::end(known);
}

void check_tensors(const std::string& path, const jit::Module& module) {
  std::vector<StateEntry> entries;
  collect_script_state(module, "", entries);
  for (const auto& entry : entries) {
    const at::Tensor& tensor = entry.tensor;
    const std::string what = std::string(entry.is_parameter ? "parameter" : "buffer") + " '" + entry.name + "'";
    const std::string dtype = c10::toString(tensor.scalar_type());
    if (tensor.layout() != at::kStrided) fail(path, "ERR_CHECKPOINT", "expected dense tensors but the " + what + " is not");
    if (entry.is_parameter && tensor.scalar_type() != at::kFloat) {
      fail(path, "ERR_CHECKPOINT", "expected parameters of Float (float32) but the " + what + " is " + dtype + "; call module.float() before the export (mixed precision is model.precision)");
    }
    if (!is_supported(tensor.scalar_type())) fail(path, "ERR_CHECKPOINT", "the " + what + " is of an unsupported type, " + dtype);
    // Contiguous parameters: a convolution looks at its weight's strides, too, when it chooses a layout.
    if (entry.is_parameter && !tensor.is_contiguous()) at::Tensor(tensor).set_data(tensor.contiguous());
  }
}

void check_forward(const std::string& path, const jit::Module& module) {
  const auto method = module.find_method("forward");
  if (!method) fail(path, "ERR_CHECKPOINT", "the module has no forward()");
  const auto& arguments = method->function().getSchema().arguments();  // self is the first
  const bool good = arguments.size() >= 2 && c10::TensorType::get()->isSubtypeOf(*arguments[1].type()) &&
                    std::all_of(arguments.begin() + 2, arguments.end(), [](const c10::Argument& argument) { return argument.default_value().has_value(); });
  if (good) return;
  std::string signature;
  for (size_t i = 1; i < arguments.size(); i++) signature += (i > 1 ? ", " : "") + arguments[i].name() + ": " + arguments[i].type()->annotation_str();
  fail(path, "ERR_CHECKPOINT", "expected forward(x: Tensor) but the module has forward(" + signature + ")");
}

}  // namespace

jit::Module load_script_module(const std::string& path, at::Device device) {
  // print() in a script must not end up among the results on standard output.
  jit::setPrintHandler([](const std::string& text) { std::cerr << text; });
  check_archive(path);
  jit::Module module;
  try {
    module = jit::load(path, device);
  } catch (const std::exception& error) {
    const ScriptFailure failure = describe_script_failure(error);
    fail(path, failure.no_memory ? "ERR_DEVICE_OOM" : "ERR_CHECKPOINT", "libtorch cannot load it: " + failure.text);
  }
  check_forward(path, module);
  tie_shared(path, module);
  check_tensors(path, module);
  return module;
}

void set_script_training(jit::Module& module, bool on) {
  for (const jit::Module& part : module.modules()) {
    const auto slot = part.type()->findAttributeSlot("training");
    if (slot && part.type()->getAttribute(*slot)->kind() == c10::TypeKind::BoolType) part._ivalue()->setSlot(*slot, on);
  }
}

namespace {

bool draws(const jit::Block& block) {
  for (const jit::Node* node : block.nodes()) {
    if (node->isNondeterministic()) return true;
    for (const jit::Block* inner : node->blocks()) {
      if (draws(*inner)) return true;
    }
  }
  return false;
}

}  // namespace

bool draws_random_numbers(const jit::Module& module) {
  const auto graph = module.get_method("forward").graph()->copy();
  jit::Inline(*graph);
  return draws(*graph->block());
}

void collect_script_state(const jit::Module& module, const std::string& prefix, std::vector<StateEntry>& entries) {
  const auto add = [&](const std::string& name, const at::Tensor& tensor, bool is_parameter) {
    const auto same = std::find_if(entries.begin(), entries.end(), [&](const StateEntry& entry) { return entry.tensor.is_same(tensor); });
    const std::string alias_of = same == entries.end() ? "" : same->alias_of.empty() ? same->name : same->alias_of;
    entries.push_back({prefix + name, tensor, is_parameter, alias_of});
  };
  for (const auto& item : module.named_parameters(/*recurse=*/false)) add(item.name, item.value, true);
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (item.value.defined()) add(item.name, item.value, false);
  }
  for (const auto& child : module.named_children()) collect_script_state(child.value, prefix + child.name + ".", entries);
}

ScriptFailure describe_script_failure(const std::exception& error) {
  std::string text = plain_text(error);
  if (const auto* raised = dynamic_cast<const jit::JITException*>(&error)) {
    if (raised->getOriginalMsg()) {
      std::string kind = raised->getPythonClassName().value_or("");
      if (kind.rfind("builtins.", 0) == 0) kind = kind.substr(9);
      text = (kind.empty() ? "" : kind + ": ") + *raised->getOriginalMsg();
    }
  }
  const bool no_memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr || dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                         text.find("can't allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos;
  // The interpreter puts "The following operation failed in the TorchScript interpreter", the source lines, and then what happened.
  const size_t last = text.rfind("\nRuntimeError: ");
  if (last != std::string::npos) text = text.substr(last + 15);
  return {one_line(text), no_memory};
}

}  // namespace siam::core
