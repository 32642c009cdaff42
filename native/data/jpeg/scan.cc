#include "scan.h"

#include <algorithm>

#include "blocks.h"

namespace siam::data::jpeg {
namespace {

// Far from overflow even when a whole row of MCUs adds the largest difference at every block; no encoder comes near.
constexpr int kMaxPrediction = 1 << 29;

/// What the loops over MCUs work on.
struct Run {
  const RunPlan& plan;
  EntropySource& source;
  BitReader& reader;
  int* prediction;
};

SIAM_INLINE bool PassMcusInline(const Run& run, int64_t count) {
  while (count > 0) {
    if (!run.source.Safe(run.reader) && !run.source.More(run.reader)) return false;
    const int mcus = static_cast<int>(std::min<int64_t>(count, kRunMcus));
    const RunStep<int32_t>* const end = run.plan.pass + kRunBlocks;
    if (!PassRun(run.reader, end - mcus * run.plan.blocks, end)) return false;
    count -= mcus;
  }
  return true;
}

/// From a run's coefficients to samples. Blocks of one kind are done one after the other, so that the kind need not be guessed.
void TransformRun(const Run& run, int blocks, int16_t* coefficients, const uint8_t* last, uint8_t** out, const ptrdiff_t* stride, const Kernels& kernels) {
  const RunPlan& plan = run.plan;
  struct Task {
    int16_t* coefficients;
    const uint16_t* quant;
    uint8_t* out;
    ptrdiff_t stride;
  };
  Task tasks[3][kRunBlocks];
  int count[3] = {0, 0, 0};
  for (int i = 0; i < blocks;) {
    for (int b = 0; b < plan.blocks; ++b, ++i, coefficients += 64) {
      int& prediction = run.prediction[plan.block[b].component];
      prediction += coefficients[0];
      coefficients[0] = static_cast<int16_t>(prediction);
      const int kind = (last[i] > 0) + (last[i] > kLastOf4x4);
      tasks[kind][count[kind]++] = {coefficients, plan.block[b].quant, out[b], stride[b]};
      out[b] += plan.block[b].h * 8;
    }
  }
  for (int n = 0; n < count[0]; ++n) {
    const Task& task = tasks[0][n];
    kernels.idct_dc(task.coefficients[0], task.quant[0], task.out, task.stride);
  }
  for (int kind = 1; kind < 3; ++kind) {
    const auto idct = kind == 1 ? kernels.idct_4x4 : kernels.idct;
    for (int n = 0; n < count[kind]; ++n) {
      const Task& task = tasks[kind][n];
      idct(task.coefficients, task.quant, task.out, task.stride);
    }
  }
}

/// The same to fewer samples. Only chroma that stays as it is has a kind for few coefficients: there nearly all blocks are of it.
void ReduceRun(const Run& run, int blocks, int16_t* coefficients, const uint8_t* last, uint8_t** out, const ptrdiff_t* stride, const Kernels& kernels) {
  const RunPlan& plan = run.plan;
  for (int i = 0; i < blocks;) {
    for (int b = 0; b < plan.blocks; ++b, ++i, coefficients += 64) {
      const BlockPlace& block = plan.block[b];
      int& prediction = run.prediction[block.component];
      prediction += coefficients[0];
      coefficients[0] = static_cast<int16_t>(prediction);
      const bool small = block.transform == kernels.idct && last[i] <= kLastOf4x4;
      (small ? kernels.idct_4x4 : block.transform)(coefficients, block.quant, out[b], stride[b]);
      out[b] += block.h * block.width;
    }
  }
}

/// @param coefficients [64·(kRunBlocks + 1)] zeros but for each block's first, before and after
SIAM_INLINE bool ReadMcusInline(const Run& run, int count, int mcu_x, int mcu_y, Plane* planes, const Kernels& kernels, int16_t* coefficients) {
  const RunPlan& plan = run.plan;
  uint8_t* out[kMaxMcuBlocks];
  ptrdiff_t stride[kMaxMcuBlocks];
  for (int b = 0; b < plan.blocks; ++b) {
    const BlockPlace& block = plan.block[b];
    Plane& plane = planes[block.component];
    stride[b] = plane.stride();
    out[b] = plane.Row((mcu_y * block.v + block.y) * block.height) + (mcu_x * block.h + block.x) * block.width;
  }
  uint8_t last[kRunBlocks + 1];
  while (count > 0) {
    if (!run.source.Safe(run.reader) && !run.source.More(run.reader)) return false;
    const int mcus = std::min(count, kRunMcus), blocks = mcus * plan.blocks;
    const RunStep<int64_t>* const end = plan.read + kRunBlocks;
    if (!ReadRun(run.reader, end - blocks, end, coefficients, last)) return false;
    if (plan.reduced) {
      ReduceRun(run, blocks, coefficients, last, out, stride, kernels);
    } else {
      TransformRun(run, blocks, coefficients, last, out, stride, kernels);
    }
    count -= mcus;
  }
  return true;
}

// The same loops twice: shifts by a variable number of bits, of which each lookup needs two, are dear without BMI2.

bool PassMcus(const Run& run, int64_t count) { return PassMcusInline(run, count); }
bool ReadMcus(const Run& run, int count, int mcu_x, int mcu_y, Plane* planes, const Kernels& kernels, int16_t* coefficients) {
  return ReadMcusInline(run, count, mcu_x, mcu_y, planes, kernels, coefficients);
}

#if defined(__x86_64__)
__attribute__((target("bmi,bmi2"))) bool PassMcusBmi2(const Run& run, int64_t count) { return PassMcusInline(run, count); }
__attribute__((target("bmi,bmi2"))) bool ReadMcusBmi2(const Run& run, int count, int mcu_x, int mcu_y, Plane* planes, const Kernels& kernels, int16_t* coefficients) {
  return ReadMcusInline(run, count, mcu_x, mcu_y, planes, kernels, coefficients);
}
#endif

struct Loops {
  bool (*pass)(const Run& run, int64_t count);
  bool (*read)(const Run& run, int count, int mcu_x, int mcu_y, Plane* planes, const Kernels& kernels, int16_t* coefficients);
};

Loops LoopsOfThisCpu() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("bmi2")) return {PassMcusBmi2, ReadMcusBmi2};
#endif
  return {PassMcus, ReadMcus};
}

const Loops& TheLoops() {
  static const Loops loops = LoopsOfThisCpu();
  return loops;
}

}  // namespace

/// Lookups that are all slow, which end a run.
template <typename Entry, size_t kSize>
const Entry* EndTable() {
  static const std::array<Entry, kSize> table = [] {
    std::array<Entry, kSize> entries;
    entries.fill(static_cast<Entry>(kSlow) << (sizeof(Entry) * 8 - 8));
    return entries;
  }();
  return table.data();
}

bool Scan::MakePlan(const Header& header, const Layout& layout) {
  plan_.blocks = 0;
  plan_.reduced = layout.component[0].block_width < 8;
  BlockCodes* codes[3] = {};
  for (int c = 0; c < header.components; ++c) {
    const ComponentHeader& component = header.component[c];
    codes[c] = cache_.Get(header.dc[component.dc_table], header.ac[component.ac_table]);
    if (codes[c] == nullptr) return false;
    BlockPlace place{header.quant[component.quant_table].data(), c, 0, 0, component.h, component.v};
    if (plan_.reduced) {
      place.width = layout.component[c].block_width;
      place.height = layout.component[c].block_height;
      place.transform = TransformTo(place.width, place.height);
      if (place.transform == nullptr) return false;
    }
    for (place.y = 0; place.y < place.v; ++place.y) {
      for (place.x = 0; place.x < place.h; ++place.x) plan_.block[plan_.blocks++] = place;
    }
  }
  const int begin = kRunBlocks - kRunMcus * plan_.blocks;
  for (int i = begin; i < kRunBlocks; ++i) {
    const int c = plan_.block[(i - begin) % plan_.blocks].component;
    plan_.pass[i] = {codes[c]->pass.first.data(), codes[c]->pass.ac.data(), codes[c], prediction_ + c};
    plan_.read[i] = {codes[c]->read.first.data(), codes[c]->read.ac.data(), codes[c], nullptr};
  }
  const auto* pass_end = EndTable<int32_t, 1 << kPassBits>();
  const auto* read_end = EndTable<int64_t, 1 << kReadBits>();
  plan_.pass[kRunBlocks] = {pass_end, pass_end, nullptr, prediction_};
  plan_.read[kRunBlocks] = {read_end, read_end, nullptr, nullptr};
  return true;
}

bool Scan::Start(const uint8_t* data, size_t size, const Header& header, const Layout& layout, Plane* planes) {
  layout_ = &layout;
  planes_ = planes;
  kernels_ = &KernelsOfThisCpu();
  if (!MakePlan(header, layout)) return false;
  coefficients_.assign(64 * (kRunBlocks + 1), 0);
  total_ = static_cast<int64_t>(layout.mcus_x) * layout.mcus_y;
  per_interval_ = header.restart_interval > 0 ? header.restart_interval : total_;
  mcu_ = 0;
  interval_ = 0;
  std::fill_n(prediction_, 3, 0);
  source_.Start(data + header.data_begin, data + size);
  reader_ = source_.Open();
  return true;
}

int64_t Scan::IntervalEnd() const { return std::min(total_, (interval_ + 1) * per_interval_); }

/// @param read_all  the interval's MCUs have all been read, so its bytes must be used up
bool Scan::NextInterval(bool read_all) {
  if (read_all && !source_.Exhausted(reader_)) return false;
  if (source_.NextMarker() != kMarkerRestart0 + interval_ % 8) return false;
  ++interval_;
  mcu_ = interval_ * per_interval_;
  std::fill_n(prediction_, 3, 0);
  return true;
}

bool Scan::PredictionsAreSmall() const {
  return std::all_of(prediction_, prediction_ + 3, [](int prediction) { return std::abs(prediction) <= kMaxPrediction; });
}

bool Scan::PassTo(int64_t mcu) {
  while (mcu_ < mcu) {
    const int64_t count = std::min<int64_t>(mcu - mcu_, layout_->mcus_x);
    if (!TheLoops().pass({plan_, source_, reader_, prediction_}, count) || !PredictionsAreSmall()) return false;
    mcu_ += count;
  }
  return true;
}

bool Scan::SkipTo(int64_t mcu) {
  const int64_t target = mcu / per_interval_;
  if (target > interval_) {
    bool read_all = mcu_ == IntervalEnd();
    for (; interval_ < target; read_all = false) {
      if (!NextInterval(read_all)) return false;
    }
    reader_ = source_.Open();
  }
  return PassTo(mcu);
}

bool Scan::Read(int count) {
  while (count > 0) {
    if (!SkipTo(mcu_)) return false;  // into the next interval where this one is at its end
    const int part = static_cast<int>(std::min<int64_t>(count, IntervalEnd() - mcu_));
    const int x = static_cast<int>(mcu_ % layout_->mcus_x), y = static_cast<int>(mcu_ / layout_->mcus_x);
    if (!TheLoops().read({plan_, source_, reader_, prediction_}, part, x, y, planes_, *kernels_, coefficients_.data()) || !PredictionsAreSmall()) return false;
    mcu_ += part;
    count -= part;
  }
  return source_.Safe(reader_) || source_.More(reader_);
}

bool Scan::Finish() {
  const int64_t last = (total_ - 1) / per_interval_;
  if (interval_ == last) return PassTo(total_) && source_.Exhausted(reader_) && source_.NextMarker() == kMarkerEnd;
  bool read_all = mcu_ == IntervalEnd();
  for (; interval_ < last; read_all = false) {
    if (!NextInterval(read_all)) return false;
  }
  return source_.NextMarker() == kMarkerEnd;
}

}  // namespace siam::data::jpeg
