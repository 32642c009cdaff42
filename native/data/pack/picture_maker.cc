#include "picture_maker.h"

#include <utility>

namespace siam::data {
namespace {

/// The loader's store takes its paths from a sampler.
std::unique_ptr<FrameStore> StoreOf(const std::shared_ptr<const DatasetIndex>& dataset) {
  return std::make_unique<FileStore>(std::make_shared<PairSampler>(Datasets{dataset}, SamplerConfig{}));
}

}  // namespace

PictureMaker::PictureMaker(std::shared_ptr<const DatasetIndex> dataset, const PackConfig& config)
    : dataset_(std::move(dataset)), config_(config), store_(StoreOf(dataset_)) {}

void PictureMaker::Load(uint32_t sequence, uint32_t frame) {
  const std::string path = dataset_->Path(sequence, frame);
  bytes_ = store_->Read({0, sequence, frame}, buffer_);
  info_ = decoder_.Header(bytes_.data, bytes_.size, path);
  view_ = decoder_.Decode(info_, bytes_.data, bytes_.size, path, pixels_);
  const Bgr mean = TruncatedMean(view_);
  mean_ = 0xFF000000u | uint32_t{mean.r} << 16 | uint32_t{mean.g} << 8 | mean.b;
  is_jpeg_ = bytes_.size > 2 && bytes_.data[0] == 0xFF && bytes_.data[1] == 0xD8;
}

EncodedPicture PictureMaker::Encode(const PicturePlan& plan) {
  const size_t stride = static_cast<size_t>(plan.width) * 3;
  if (plan.reduced) {
    reduced_.resize(stride * static_cast<size_t>(plan.height));
    ReduceArea(view_, plan, scratch_, reduced_.data());
    return encoder_.Encode(reduced_.data(), stride, plan.width, plan.height, config_.quality, config_.subsampling);
  }
  const Rect part = plan.Pixels();
  const uint8_t* first = view_.pixels + view_.stride * static_cast<size_t>(part.y) + static_cast<size_t>(part.x) * 3;
  return encoder_.Encode(first, view_.stride, plan.width, plan.height, config_.quality, config_.subsampling);
}

EncodedPicture PictureMaker::Make(uint32_t sequence, uint32_t frame, PackRow& row) {
  if (!dataset_->still() || loaded_still_ != sequence) {
    loaded_still_ = sequence;
    failed_still_ = nullptr;
    try {
      Load(sequence, frame);
    } catch (const SiamException&) {
      failed_still_ = std::current_exception();
    }
  }
  if (failed_still_) std::rethrow_exception(failed_still_);
  const Xyxy& box = dataset_->box(sequence, frame);
  if (const char* problem = BoxProblem(box)) throw SiamException("ERR_DATA", std::string("its box cannot be used: ") + problem, dataset_->Path(sequence, frame));

  const bool copies = is_jpeg_ && PictureEncoder::CanCopy(info_.jpeg);
  const McuSize source = McuOf(info_.jpeg.subsampling), own = McuOf(config_.subsampling);
  PicturePlan plan = PlanPicture(box, info_.width, info_.height, config_, copies ? &source : nullptr, own);
  if (!UsableGrid(plan.grid)) {
    throw SiamException("ERR_DATA", "its box is too large for a pack: a pixel of the picture would be more than " + std::to_string(static_cast<int>(kMaxGridStep)) + " of the frame's",
                        dataset_->Path(sequence, frame));
  }
  EncodedPicture picture;
  if (copies && !plan.reduced) picture = encoder_.Copy(bytes_.data, bytes_.size, info_.jpeg, plan.Pixels());
  copied_ = picture.size > 0;
  if (!copied_) {
    if (copies && !plan.reduced) plan = PlanPicture(box, info_.width, info_.height, config_, nullptr, own);
    picture = Encode(plan);
  }
  width_ = plan.width;
  height_ = plan.height;
  row = PackRow{};
  row.bytes = static_cast<uint32_t>(picture.size);
  row.frame_width = static_cast<uint32_t>(info_.width);
  row.frame_height = static_cast<uint32_t>(info_.height);
  row.mean = mean_;
  row.grid = plan.grid;
  return picture;
}

}  // namespace siam::data
