// The entropy-coded data of a scan: MCUs in their order, read into planes or passed over.
#pragma once

#include <cstdint>
#include <vector>

#include "blocks.h"
#include "entropy_source.h"
#include "header.h"
#include "huffman.h"
#include "kernels.h"
#include "kernels_reduced.h"
#include "planes.h"

namespace siam::data::jpeg {

/// One block of an MCU.
struct BlockPlace {
  const uint16_t* quant = nullptr;
  int component = 0;
  int x = 0, y = 0;  ///< of the block in its MCU
  int h = 1, v = 1;  ///< of its component
  int width = 8, height = 8;            ///< samples that it gives
  BlockTransform transform = nullptr;   ///< of a picture that is decoded smaller
};

/// What the loops over a run of MCUs go by.
struct RunPlan {
  int blocks = 0;  ///< of an MCU
  bool reduced = false;
  BlockPlace block[kMaxMcuBlocks];
  RunStep<int32_t> pass[kRunBlocks + 1];
  RunStep<int64_t> read[kRunBlocks + 1];
};

class Scan {
 public:
  /// @returns false when the tables are bad. `data` and `header` must outlive the scan's use.
  bool Start(const uint8_t* data, size_t size, const Header& header, const Layout& layout, Plane* planes);

  // Each of these returns false when anything in the data is not as it should be; the scan is of no use then.

  /// Goes to an MCU at or behind the current one. Restart intervals before the one that it is in are not read.
  bool SkipTo(int64_t mcu);

  /// Reads the next `count` MCUs, of one MCU row, into the planes.
  bool Read(int count);

  /// Goes to the scan's end, behind which the end marker must stand.
  bool Finish();

 private:
  int64_t IntervalEnd() const;
  bool NextInterval(bool read_all);
  bool MakePlan(const Header& header, const Layout& layout);
  bool PassTo(int64_t mcu);
  bool PredictionsAreSmall() const;

  const Layout* layout_ = nullptr;
  Plane* planes_ = nullptr;
  const Kernels* kernels_ = nullptr;
  BlockCodesCache cache_;
  RunPlan plan_;
  std::vector<int16_t> coefficients_;
  EntropySource source_;
  BitReader reader_;
  int prediction_[3] = {};
  int64_t mcu_ = 0;        ///< the next one
  int64_t total_ = 0;
  int64_t interval_ = 0;   ///< index of the current restart interval
  int64_t per_interval_ = 0;
};

}  // namespace siam::data::jpeg
