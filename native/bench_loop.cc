// The training step in a C++ loop: what bench/step.ts compares the TypeScript loop with. A program of its own (target siamfcpp_bench_loop), not
// part of the addon.
//
//   siamfcpp_bench_loop BATCH BACKBONE PRECISION MEMORY_FORMAT THREADS LR SEED
//
// BATCH is a text line for each tensor, `name dtype d0 d1 …`, an empty line, then the tensors' bytes in that order. Reads requests
// {"cmd":"run","steps":N} from stdin, one a line, answers each with {"seconds":[…],"losses":[{"cls":…},…]}; ends at any other line.
#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <future>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/losses.h"
#include "core/sgd.h"
#include "core/siam_track.h"
#include "engine/engine_thread.h"

namespace {

using namespace siam;

core::TensorMap read_batch(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + file);
  struct Entry {
    std::string name;
    at::ScalarType dtype;
    std::vector<int64_t> shape;
  };
  std::vector<Entry> entries;
  for (std::string line; std::getline(in, line) && !line.empty();) {
    std::istringstream words(line);
    Entry entry;
    std::string dtype;
    words >> entry.name >> dtype;
    entry.dtype = dtype == "uint8" ? at::kByte : at::kFloat;
    for (int64_t size; words >> size;) entry.shape.push_back(size);
    entries.push_back(entry);
  }
  core::TensorMap batch;
  for (const auto& entry : entries) {
    at::Tensor tensor = at::empty(entry.shape, entry.dtype);
    in.read(static_cast<char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
    if (!in) throw std::runtime_error(file + " is too short for " + entry.name);
    batch[entry.name] = tensor;
  }
  return batch;
}

struct Loop {
  core::TensorMap batch;
  core::SiamTrack model{nullptr};
  std::vector<std::pair<std::string, std::unique_ptr<core::Loss>>> losses;
  std::unique_ptr<core::Sgd> sgd;

  explicit Loop(char** argv) {
    at::set_num_threads(std::stoi(argv[5]));
    batch = read_batch(argv[1]);
    core::SiamTrackOptions options;
    options.backbone.name = argv[2];
    options.head_width = options.head.width = options.backbone.name == "TinyConv" ? 64 : 256;
    options.mode.dtype = std::string(argv[3]) == "bf16" ? at::kBFloat16 : at::kFloat;
    options.mode.format = std::string(argv[4]) == "channels_last" ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    options.seed = std::stoull(argv[7]);
    model = core::SiamTrack(options);
    model->train();
    core::FocalOptions focal;
    focal.alpha = 0.25;
    focal.gamma = 2;
    losses.emplace_back("cls", core::make_focal_loss(focal));
    losses.emplace_back("ctr", core::make_sigmoid_ce_centerness(1));
    losses.emplace_back("reg", core::make_iou_loss(3));
    std::vector<core::SgdGroup> groups(2);
    for (const auto& entry : model->state_entries()) {
      if (!entry.is_parameter) continue;
      auto& group = groups[entry.name.rfind("basemodel.", 0) == 0 ? 0 : 1];
      group.names.push_back(entry.name);
      group.parameters.push_back(entry.tensor);
    }
    for (size_t i = 0; i < groups.size(); ++i) {
      groups[i].lr = std::stod(argv[6]) * (i == 0 ? 0.1 : 1);
      groups[i].momentum = 0.9;
      groups[i].weight_decay = 1e-4;
    }
    sgd = std::make_unique<core::Sgd>(std::move(groups));
  }

  /// One step; writes seconds and losses as JSON.
  void step(std::string& seconds, std::string& values) {
    const auto start = std::chrono::steady_clock::now();
    sgd->zero_grad();
    core::TensorMap in = batch;
    {
      const core::HeadOutput out = model->train_forward(batch.at("im_z"), batch.at("im_x"));
      in["cls_pred"] = out.cls;
      in["ctr_pred"] = out.ctr;
      in["box_pred"] = out.box;
    }
    std::vector<at::Tensor> scalars;
    at::Tensor total;
    for (const auto& [name, loss] : losses) {
      scalars.push_back(loss->forward(in).loss);
      total = total.defined() ? total + scalars.back() : scalars.back();
    }
    total.backward();
    sgd->step();
    for (auto& scalar : scalars) scalar = scalar.detach();
    const at::Tensor read = at::stack(scalars).to(at::kDouble).cpu();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

    char text[64];
    std::snprintf(text, sizeof text, "%s%.6f", seconds.empty() ? "" : ",", took.count());
    seconds += text;
    values += values.empty() ? "{" : ",{";
    for (size_t i = 0; i < losses.size(); ++i) {
      std::snprintf(text, sizeof text, "%s\"%s\":%.17g", i == 0 ? "" : ",", losses[i].first.c_str(), read[static_cast<int64_t>(i)].item<double>());
      values += text;
    }
    values += "}";
  }
};

/// Runs `work` on the engine thread, the one that the addon would use, and waits.
template <class Work>
void on_engine(engine::EngineThread& engine, Work work) {
  std::promise<void> done;
  engine.post([&] {
    try {
      work();
      done.set_value();
    } catch (...) {
      done.set_exception(std::current_exception());
    }
  });
  done.get_future().get();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: %s BATCH BACKBONE PRECISION MEMORY_FORMAT THREADS LR SEED\n", argv[0]);
    return 2;
  }
  try {
    engine::EngineThread engine;
    std::unique_ptr<Loop> loop;
    on_engine(engine, [&] { loop = std::make_unique<Loop>(argv); });
    for (std::string line; std::getline(std::cin, line);) {
      int steps = 0;
      if (std::sscanf(line.c_str(), "{\"cmd\":\"run\",\"steps\":%d", &steps) != 1) break;
      std::string seconds, values;
      on_engine(engine, [&] {
        for (int i = 0; i < steps; ++i) loop->step(seconds, values);
      });
      std::printf("{\"seconds\":[%s],\"losses\":[%s]}\n", seconds.c_str(), values.c_str());
      std::fflush(stdout);
    }
    on_engine(engine, [&] { loop.reset(); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
