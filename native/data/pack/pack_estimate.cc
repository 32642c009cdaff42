#include "pack_estimate.h"

#include <algorithm>
#include <utility>

#include "../thread_clock.h"
#include "tar_format.h"

namespace siam::data {

std::vector<uint64_t> PackEstimate::EvenlySpread(uint64_t rows, uint64_t samples) {
  std::vector<uint64_t> spread(static_cast<size_t>(std::min(samples, rows)));
  for (size_t i = 0; i < spread.size(); ++i) spread[i] = rows * (2 * i + 1) / (2 * spread.size());
  return spread;
}

PackEstimate::PackEstimate(std::shared_ptr<const DatasetIndex> frames, std::shared_ptr<const DatasetIndex> members, PackConfig config,
                           const std::vector<uint64_t>& rows, int threads)
    : frames_(std::move(frames)), config_(config), names_(std::move(members)), samples_(rows.size()), job_(rows.size(), threads, [this](PackJob&) -> PackJob::Task {
        auto maker = std::make_shared<PictureMaker>(frames_, config_);
        return [this, maker](size_t number) { Look(*maker, number); };
      }) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= names_.rows()) throw SiamException("ERR_ARGUMENT", "Expected rows below " + std::to_string(names_.rows()) + " but received " + std::to_string(rows[i]));
    samples_[i].row = rows[i];
  }
}

void PackEstimate::Look(PictureMaker& maker, size_t number) {
  job_.ThrowIfStopping();
  Sample& sample = samples_[number];
  const DatasetIndex::Place place = names_.PlaceOf(sample.row);
  const uint64_t begun = ThreadCpuNanoseconds();
  try {
    PackRow row;
    const EncodedPicture picture = maker.Make(place.sequence, place.frame, row);
    sample.usable = true;
    sample.copied = maker.copied();
    sample.bytes = TarHeader(names_.Name(sample.row), picture.size).size() + picture.size + TarPadding(picture.size);
    sample.frame_bytes = maker.frame_bytes();
    sample.width = maker.width();
    sample.height = maker.height();
  } catch (const SiamException& error) {
    if (!IsFramesFault(error)) throw;
    sample.bad = {sample.row, error.code(), error.file(), error.what()};
  }
  sample.cpu_seconds = static_cast<double>(ThreadCpuNanoseconds() - begun) * 1e-9;
  ++job_.rows;
}

}  // namespace siam::data
