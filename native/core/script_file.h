// TorchScript files: opening them with errors that say what they are instead, and what a module holds. For script_backbone.cc only, because
// it includes torch's JIT headers.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <exception>
#include <string>
#include <vector>

#include "state_entry.h"

namespace siam::core {

/// The module of a file, ready to be trained: one tensor for parameters that share all their memory, contiguous parameters.
/// @throws ERR_IO, ERR_CHECKPOINT (see ScriptBackbone)
torch::jit::Module load_script_module(const std::string& path, at::Device device);

/// Sets `training` of every submodule that has it (torch's Module::train() asserts that all do; frozen ones do not).
void set_script_training(torch::jit::Module& module, bool on);

/// Whether forward() has dropout or another operation that draws from torch's generator.
bool draws_random_numbers(const torch::jit::Module& module);

/// A module's own parameters, its buffers, then its children; tensors that were there before under another name are marked.
void collect_script_state(const torch::jit::Module& module, const std::string& prefix, std::vector<StateEntry>& entries);

struct ScriptFailure {
  std::string text;  ///< one line: what was raised, without the interpreter's traceback
  bool no_memory;
};
ScriptFailure describe_script_failure(const std::exception& error);

}  // namespace siam::core
