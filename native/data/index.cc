#include "index.h"

#include <map>
#include <utility>

#include "../base/error.h"

namespace siam::data {

FrameNamePattern::FrameNamePattern(const std::string& pattern) {
  const auto fail = [&] {
    throw SiamException("ERR_DATA", "Expected a frame name pattern with one number such as '%08d.jpg' but received '" + pattern + "'");
  };
  bool seen = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    std::string& part = seen ? after_ : before_;
    if (pattern[i] != '%') {
      part += pattern[i];
    } else if (i + 1 < pattern.size() && pattern[i + 1] == '%') {
      part += '%';
      ++i;
    } else {
      size_t end = i + 1;
      int width = 0;
      while (end < pattern.size() && pattern[end] >= '0' && pattern[end] <= '9' && width < 100) width = width * 10 + (pattern[end++] - '0');
      const bool zero_padded = end == i + 1 || pattern[i + 1] == '0';
      if (seen || end >= pattern.size() || pattern[end] != 'd' || !zero_padded || width > 32) fail();
      seen = true;
      width_ = width;
      i = end;
    }
  }
  if (!seen) fail();
}

std::string FrameNamePattern::Name(int64_t number) const {
  std::string digits = std::to_string(number);
  if (static_cast<int>(digits.size()) < width_) digits.insert(0, static_cast<size_t>(width_) - digits.size(), '0');
  return before_ + digits + after_;
}

DatasetIndex::DatasetIndex(std::string name, double ratio, int64_t max_diff, std::vector<Sequence> sequences, std::vector<uint32_t> start,
                           std::vector<Xyxy> boxes, Stills stills)
    : name_(std::move(name)), ratio_(ratio), max_diff_(max_diff), sequences_(std::move(sequences)), start_(std::move(start)),
      boxes_(std::move(boxes)), stills_(stills) {
  const auto expect = [&](bool holds, const std::string& what) {
    if (!holds) throw SiamException("ERR_DATA", "data set " + name_ + ": expected " + what);
  };
  expect(!sequences_.empty(), "at least one sequence");
  expect(start_.size() == sequences_.size() + 1 && start_.front() == 0 && start_.back() == boxes_.size(),
         "a start for each sequence and a box for each frame");
  std::map<std::string, int32_t> known;
  pattern_of_.reserve(sequences_.size());
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const Sequence& sequence = sequences_[s];
    expect(start_[s + 1] > start_[s], "at least one frame in " + sequence.dir);
    if (sequence.pattern.empty()) {
      expect(sequence.names.size() == (stills_.still ? 1 : start_[s + 1] - start_[s]), "a file name for each frame of " + sequence.dir);
      pattern_of_.push_back(-1);
      continue;
    }
    const auto [entry, added] = known.try_emplace(sequence.pattern, static_cast<int32_t>(patterns_.size()));
    if (added) patterns_.emplace_back(sequence.pattern);
    pattern_of_.push_back(entry->second);
  }
  means_ = std::make_unique<std::atomic<uint32_t>[]>(boxes_.size());
}

std::string DatasetIndex::Path(uint32_t sequence, uint32_t frame) const {
  const Sequence& s = sequences_[sequence];
  const int32_t pattern = pattern_of_[sequence];
  const std::string name = pattern < 0 ? s.names[Picture(frame)] : patterns_[pattern].Name(int64_t{s.first_number} + Picture(frame));
  return s.dir.empty() ? name : s.dir + '/' + name;
}

bool DatasetIndex::KnownMean(uint32_t sequence, uint32_t frame, Bgr& mean) const {
  const uint32_t packed = means_[start_[sequence] + Picture(frame)].load(std::memory_order_relaxed);
  if (packed == 0) return false;
  mean = {static_cast<uint8_t>(packed), static_cast<uint8_t>(packed >> 8), static_cast<uint8_t>(packed >> 16)};
  return true;
}

void DatasetIndex::RememberMean(uint32_t sequence, uint32_t frame, Bgr mean) const {
  const uint32_t packed = 0xFF000000u | uint32_t{mean.r} << 16 | uint32_t{mean.g} << 8 | mean.b;
  means_[start_[sequence] + Picture(frame)].store(packed, std::memory_order_relaxed);
}

}  // namespace siam::data
