#include "pack_estimate.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "tar_format.h"

namespace siam::data {
namespace {

double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

PackEstimate::PackEstimate(std::shared_ptr<const DatasetIndex> frames, std::shared_ptr<const DatasetIndex> members, PackConfig config, uint64_t samples,
                           int threads)
    : frames_(std::move(frames)),
      config_(config),
      names_(std::move(members)),
      samples_(static_cast<size_t>(std::min(samples, names_.rows()))),
      job_(samples_.size(), threads, [this](PackJob&) -> PackJob::Task {
        auto maker = std::make_shared<PictureMaker>(frames_, config_);
        return [this, maker](size_t number) { Look(*maker, number); };
      }) {}

void PackEstimate::Look(PictureMaker& maker, size_t number) {
  // The middle of each of as many parts as there are samples.
  const uint64_t count = samples_.size(), row_number = (names_.rows() * (2 * number + 1)) / (2 * count);
  const MemberNames::Place place = names_.PlaceOf(row_number);
  Sample& sample = samples_[number];
  const double begun = ThreadSeconds();
  try {
    PackRow row;
    const EncodedPicture picture = maker.Make(place.sequence, place.frame, row);
    sample.usable = true;
    sample.copied = maker.copied();
    sample.bytes = TarHeader(names_.Name(row_number), picture.size).size() + picture.size + TarPadding(picture.size);
    sample.frame_bytes = maker.frame_bytes();
    sample.width = maker.width();
    sample.height = maker.height();
  } catch (const SiamException& error) {
    if (error.code() != "ERR_DATA" && error.code() != "ERR_IO") throw;
  }
  sample.cpu_seconds = ThreadSeconds() - begun;
  ++job_.rows;
}

}  // namespace siam::data
