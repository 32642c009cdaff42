#include "scan.h"

#include <algorithm>
#include <cstring>

#include "blocks.h"

namespace siam::data::jpeg {
namespace {

// Far from overflow even when a whole row of MCUs adds the largest difference at every block; no encoder comes near.
constexpr int kMaxPrediction = 1 << 29;

/// What a loop over MCUs works on.
struct Run {
  const McuPlan& plan;
  EntropySource& source;
  BitReader& reader;
  int* prediction;
};

SIAM_INLINE bool PassMcus(const Run& run, int64_t count) {
  BitReader reader = run.reader;
  int prediction[3] = {run.prediction[0], run.prediction[1], run.prediction[2]};
  const McuPlan& plan = run.plan;
  for (; count > 0; --count) {
    if (__builtin_expect(!run.source.Safe(reader), 0) && !run.source.More(reader)) return false;
    for (int b = 0; b < plan.blocks; ++b) {
      const BlockPlace& block = plan.block[b];
      if (!ReadDc(reader, *block.dc, prediction[block.component]) || !SkipAc(reader, *block.ac, *block.skip)) return false;
    }
  }
  run.reader = reader;
  std::copy_n(prediction, 3, run.prediction);
  return true;
}

SIAM_INLINE bool ReadMcus(const Run& run, int count, int mcu_x, int mcu_y, Plane* planes, const Kernels& kernels) {
  BitReader reader = run.reader;
  const McuPlan& plan = run.plan;
  uint8_t* out[6];
  ptrdiff_t stride[6];
  for (int b = 0; b < plan.blocks; ++b) {
    const BlockPlace& block = plan.block[b];
    Plane& plane = planes[block.component];
    stride[b] = plane.stride();
    out[b] = plane.Row((mcu_y * block.v + block.y) * 8) + (mcu_x * block.h + block.x) * 8;
  }
  alignas(64) int16_t coefficients[64] = {};
  for (; count > 0; --count) {
    if (__builtin_expect(!run.source.Safe(reader), 0) && !run.source.More(reader)) return false;
    for (int b = 0; b < plan.blocks; ++b) {
      const BlockPlace& block = plan.block[b];
      int& prediction = run.prediction[block.component];
      if (!ReadDc(reader, *block.dc, prediction)) return false;
      const int last = ReadAc(reader, *block.ac, coefficients);
      if (last == 0) {
        kernels.idct_dc(static_cast<int16_t>(prediction), block.quant[0], out[b], stride[b]);
      } else {
        if (last < 0) return false;
        coefficients[0] = static_cast<int16_t>(prediction);
        (last <= kLastOf4x4 ? kernels.idct_4x4 : kernels.idct)(coefficients, block.quant, out[b], stride[b]);
        std::memset(coefficients, 0, sizeof coefficients);
      }
      out[b] += block.h * 8;
    }
  }
  run.reader = reader;
  return true;
}

}  // namespace

template <typename Table>
const Table* ScanTables::Get(Slot<Table>& slot, const HuffmanCodes& codes, bool& changed) {
  changed = slot.table == nullptr || !(slot.codes == codes);
  if (changed) {
    if (slot.table == nullptr) slot.table = std::make_unique<Table>();
    slot.codes = codes;
    slot.good = slot.table->Build(codes);
  }
  return slot.good ? slot.table.get() : nullptr;
}

const DcTable* ScanTables::Dc(int slot, const HuffmanCodes& codes) {
  bool changed;
  return Get(dc_[slot], codes, changed);
}

const AcTable* ScanTables::Ac(int slot, const HuffmanCodes& codes) {
  bool changed;
  const AcTable* table = Get(ac_[slot], codes, changed);
  if (changed) skip_made_[slot] = false;
  return table;
}

const SkipTable* ScanTables::Skip(int slot) {
  if (skip_[slot] == nullptr) skip_[slot] = std::make_unique<SkipTable>();
  if (!skip_made_[slot]) skip_[slot]->Build(*ac_[slot].table);
  skip_made_[slot] = true;
  return skip_[slot].get();
}

bool Scan::Start(const uint8_t* data, size_t size, const Header& header, const Layout& layout, Plane* planes) {
  layout_ = &layout;
  planes_ = planes;
  kernels_ = &KernelsOfThisCpu();
  plan_.blocks = 0;
  for (int c = 0; c < header.components; ++c) {
    const ComponentHeader& component = header.component[c];
    BlockPlace place;
    place.dc = tables_.Dc(component.dc_table, header.dc[component.dc_table]);
    place.ac = tables_.Ac(component.ac_table, header.ac[component.ac_table]);
    if (place.dc == nullptr || place.ac == nullptr) return false;
    place.skip = tables_.Skip(component.ac_table);
    place.quant = header.quant[component.quant_table].data();
    place.component = c;
    place.h = component.h;
    place.v = component.v;
    for (place.y = 0; place.y < place.v; ++place.y) {
      for (place.x = 0; place.x < place.h; ++place.x) plan_.block[plan_.blocks++] = place;
    }
  }
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
    if (!PassMcus({plan_, source_, reader_, prediction_}, count) || !PredictionsAreSmall()) return false;
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
    if (!ReadMcus({plan_, source_, reader_, prediction_}, part, x, y, planes_, *kernels_) || !PredictionsAreSmall()) return false;
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
