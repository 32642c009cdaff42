#include "sample_maker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "../base/error.h"
#include "pack/packed_view.h"
#include "scratch.h"
#include "thread_clock.h"

namespace siam::data {
namespace {

class Stopwatch {
 public:
  explicit Stopwatch(uint64_t& total) : total_(total), start_(std::chrono::steady_clock::now()) {}
  ~Stopwatch() {
    total_ += static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count());
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  uint64_t& total_;
  std::chrono::steady_clock::time_point start_;
};

Rect Union(const Rect& a, const Rect& b) {
  const int x0 = std::min(a.x, b.x), y0 = std::min(a.y, b.y);
  const int x1 = std::max(a.x + a.width, b.x + b.width), y1 = std::max(a.y + a.height, b.y + b.height);
  return {x0, y0, x1 - x0, y1 - y0};
}

/// How much smaller a frame may be decoded for this crop.
int ReductionOf(const CropSquare& crop) {
  const WarpAxes warp = WarpOf(crop);
  return ReductionFor(std::min(warp.step_x, warp.step_y));
}

std::string SizeText(const FrameSize& size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

FrameSize FrameSizeIn(const PackRow& row) { return {static_cast<int>(row.frame_width), static_cast<int>(row.frame_height)}; }

}  // namespace

SampleMaker::SampleMaker(std::shared_ptr<const PairSampler> sampler, std::shared_ptr<FrameStore> store, const SampleConfig& config)
    : sampler_(std::move(sampler)), store_(std::move(store)), config_(config) {}

FrameSize SampleMaker::SizeOf(const FrameRef& ref) {
  const DatasetIndex& dataset = sampler_->dataset(ref);
  if (const PackFile* pack = dataset.pack()) return FrameSizeIn(pack->Row(dataset.Row(ref.sequence, ref.frame), sampler_->Path(ref)));
  Read(ref, z_);
  return z_.size;
}

void SampleMaker::Read(const FrameRef& ref, Frame& frame) {
  frame.path = sampler_->Path(ref);
  frame.packed.reset();
  const DatasetIndex& dataset = sampler_->dataset(ref);
  if (const PackFile* pack = dataset.pack()) {
    frame.packed = pack->Row(dataset.Row(ref.sequence, ref.frame), frame.path);
    frame.path = pack->Place(*frame.packed, frame.path);
  }
  {
    const Stopwatch watch(times_.read);
    frame.bytes = store_->Read(ref, frame.buffer);
    times_.bytes += frame.bytes.size;
  }
  const Stopwatch watch(times_.decode);
  frame.info = decoder_.Header(frame.bytes.data, frame.bytes.size, frame.path);
  frame.size = frame.packed ? FrameSizeIn(*frame.packed) : FrameSize{frame.info.width, frame.info.height};
}

FrameView SampleMaker::DecodePart(Frame& frame, const Rect& part, int reduction) {
  // A pack's picture has pixels of its own.
  const Rect wanted = frame.packed ? StoredPart(*frame.packed, frame.info.width, frame.info.height, part, frame.path) : part;
  if (frame.packed) reduction = 1;
  if (record_ != nullptr) record_->push_back({{frame.bytes.data, frame.bytes.data + frame.bytes.size}, frame.info, wanted, reduction, frame.path});
  const Stopwatch watch(times_.decode);
  ++times_.region_decodes;
  FrameView view = decoder_.DecodeRegionScaled(frame.info, wanted, reduction, frame.bytes.data, frame.bytes.size, frame.path, frame.pixels);
  if (frame.packed) PlaceInFrame(*frame.packed, view);
  return view;
}

FrameView SampleMaker::DecodePartAndMean(Frame& frame, const Rect& part, Bgr& mean) {
  const Stopwatch watch(times_.mean);
  ++times_.whole_decodes;
  return decoder_.DecodeRegionAndMean(frame.info, part, frame.bytes.data, frame.bytes.size, frame.path, frame.pixels, mean);
}

PairRef SampleMaker::Pair(uint32_t epoch, uint32_t sample, uint32_t attempt) {
  SampleDraws draws(config_.seed, epoch, sample, attempt, DrawStream::kPair);
  return sampler_->Draw(draws, [this](const FrameRef& ref) { return SizeOf(ref); });
}

SampleMaker::ScratchGuard::~ScratchGuard() {
  for (Frame* frame : {&maker.z_, &maker.x_}) {
    ReleaseHuge(frame->buffer);
    ReleaseHuge(frame->pixels);
  }
  maker.decoder_.ReleaseHugeScratch();
}

void SampleMaker::Make(uint32_t epoch, uint32_t sample, uint32_t attempt, const SampleOutput& out) {
  const CpuStopwatch cpu(times_.cpu);
  const ScratchGuard guard{*this};
  const PairRef pair = Pair(epoch, sample, attempt);
  SampleDraws crop_draws(config_.seed, epoch, sample, attempt, DrawStream::kCrop);
  const PairGeometry geometry =
      CropTrackPair(sampler_->Box(pair.z), sampler_->Box(pair.x), config_.crop, [&] { return crop_draws.Uniform(); });

  // Files are read, and their headers looked at, only now that pair and crops are settled: a rejected draw costs no I/O.
  const bool same_frame = pair.z == pair.x;
  Read(pair.z, z_);
  if (!same_frame) Read(pair.x, x_);
  Frame& frame_x = same_frame ? z_ : x_;
  if (!pair.negative && (z_.size.width != frame_x.size.width || z_.size.height != frame_x.size.height)) {
    throw SiamException("ERR_DATA", "Expected " + SizeText(z_.size) + " as " + z_.path + " has, but the frame is " + SizeText(frame_x.size),
                    frame_x.path);
  }

  int reduction_z = config_.fast_decode ? ReductionOf(geometry.z) : 1, reduction_x = config_.fast_decode ? ReductionOf(geometry.x) : 1;
  if (same_frame) reduction_z = reduction_x = std::min(reduction_z, reduction_x);
  const Rect part_z = Footprint(geometry.z), part_x = Footprint(geometry.x);
  const bool leaves = !Rect{0, 0, z_.size.width, z_.size.height}.Contains(part_z) ||
                      !Rect{0, 0, frame_x.size.width, frame_x.size.height}.Contains(part_x);
  // Both crops are padded with the mean of the template's frame (QUIRKS 7), for which all of that frame is decoded, once. A pack has it.
  Bgr border;
  const DatasetIndex& dataset = sampler_->dataset(pair.z);
  const bool remembers = leaves && !z_.packed && config_.remember_means;
  // Of the bytes that were read, so that a frame that was replaced meanwhile is found out; a hundredth of what a decode costs.
  const uint32_t check = remembers ? MeanTable::CheckOf(z_.bytes.data, z_.bytes.size) : 0;
  const bool known = z_.packed || (remembers && dataset.KnownMean(pair.z.sequence, pair.z.frame, check, border));
  const bool whole = leaves && !known;
  if (z_.packed) border = z_.packed->Mean();
  const Rect wanted_z = same_frame ? Union(part_z, part_x) : part_z;
  FrameView view_z;
  if (whole) {
    view_z = DecodePartAndMean(z_, wanted_z, border);
    if (remembers) dataset.RememberMean(pair.z.sequence, pair.z.frame, check, border);
  }
  // What was decoded with the mean serves the crops too, unless they are made from a smaller frame: whether the mean was known must not show.
  if (!whole || reduction_z > 1) view_z = DecodePart(z_, wanted_z, reduction_z);
  const FrameView view_x = same_frame ? view_z : DecodePart(frame_x, part_x, reduction_x);

  {
    const Stopwatch watch(times_.warp);
    WarpCrop(view_z, geometry.z, border, PixelLayout::kPlanar, scratch_, out.im_z);
    WarpCrop(view_x, geometry.x, border, PixelLayout::kPlanar, scratch_, out.im_x);
  }
  std::copy(geometry.bbox_z.begin(), geometry.bbox_z.end(), out.bbox_z);
  std::copy(geometry.bbox_x.begin(), geometry.bbox_x.end(), out.bbox_x);
  DenseboxTarget(geometry.bbox_x, config_.target, pair.negative, out.cls, out.ctr, out.box);
  *out.negative = pair.negative ? 1 : 0;
}

SampleTimes SampleMaker::TakeTimes() { return std::exchange(times_, SampleTimes{}); }

}  // namespace siam::data
