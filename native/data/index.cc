#include "index.h"

#include <algorithm>
#include <map>
#include <new>
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

namespace {

/// Sections on memory of their own.
struct OwnSections {
  std::vector<Xyxy> boxes;
  std::vector<uint32_t> start, name_offsets{0}, text_offsets{0};
  std::vector<SequenceRow> rows;
  std::string name_bytes, text_bytes;
};

void Append(std::vector<uint32_t>& offsets, std::string& bytes, const std::string& text) {
  bytes += text;
  offsets.push_back(static_cast<uint32_t>(bytes.size()));
}

template <class T>
Span<T> SpanOf(const std::vector<T>& items) {
  return {items.data(), items.size()};
}

IndexSections Flatten(const std::string& name, const std::vector<Sequence>& sequences, std::vector<uint32_t> start, std::vector<Xyxy> boxes,
                      bool still) {
  auto own = std::make_shared<OwnSections>();
  std::map<std::string, uint32_t> known;
  const auto text_number = [&](const std::string& text) {
    const auto [entry, added] = known.try_emplace(text, static_cast<uint32_t>(known.size()));
    if (added) Append(own->text_offsets, own->text_bytes, text);
    return entry->second;
  };
  if (start.size() != sequences.size() + 1) throw SiamException("ERR_DATA", "data set " + name + ": expected a start for each sequence");
  own->rows.reserve(sequences.size());
  for (size_t s = 0; s < sequences.size(); ++s) {
    const Sequence& sequence = sequences[s];
    SequenceRow row;
    row.dir = text_number(sequence.dir);
    if (sequence.pattern.empty()) {
      if (sequence.names.size() != (still ? 1 : start[s + 1] - start[s])) {
        throw SiamException("ERR_DATA", "data set " + name + ": expected a file name for each frame of " + sequence.dir);
      }
      row.naming = static_cast<uint32_t>(FrameNaming::kNames);
      row.extra = static_cast<uint32_t>(own->name_offsets.size() - 1);
      for (const std::string& frame : sequence.names) Append(own->name_offsets, own->name_bytes, frame);
    } else {
      row.pattern = text_number(sequence.pattern);
      row.first_number = sequence.first_number;
    }
    own->rows.push_back(row);
  }
  own->start = std::move(start);
  own->boxes = std::move(boxes);
  IndexSections sections;
  sections.boxes = SpanOf(own->boxes);
  sections.start = SpanOf(own->start);
  sections.rows = SpanOf(own->rows);
  sections.names = {SpanOf(own->name_offsets), {own->name_bytes.data(), own->name_bytes.size()}};
  sections.texts = {SpanOf(own->text_offsets), {own->text_bytes.data(), own->text_bytes.size()}};
  sections.owner = std::move(own);
  return sections;
}

constexpr uint32_t kNoPattern = 0xffffffffu;

}  // namespace

DatasetIndex::DatasetIndex(std::string name, double ratio, int64_t max_diff, std::vector<Sequence> sequences, std::vector<uint32_t> start,
                           std::vector<Xyxy> boxes, Stills stills)
    : DatasetIndex(name, ratio, max_diff, Flatten(name, sequences, std::move(start), std::move(boxes), stills.still), stills) {}

DatasetIndex::DatasetIndex(std::string name, double ratio, int64_t max_diff, IndexSections sections, Stills stills,
                           std::shared_ptr<const PackFile> pack, std::shared_ptr<MeanTable> means)
    : name_(std::move(name)), ratio_(ratio), max_diff_(max_diff), stills_(stills), parts_(std::move(sections)), pack_(std::move(pack)), means_(std::move(means)) {
  const auto expect = [&](bool holds, const auto&... what) {
    if (!holds) throw SiamException("ERR_DATA", (("data set " + name_ + ": expected ") + ... + std::string(what)));
  };
  const IndexSections& p = parts_;
  expect(p.rows.size > 0 && p.rows.size < 0xffffffffu, "at least one sequence");
  expect(p.start.size == p.rows.size + 1 && p.start[0] == 0 && p.start[p.rows.size] == p.boxes.size, "a start for each sequence and a box for each frame");
  expect(p.texts.Fits() && p.names.Fits(), "texts that lie inside of their table");
  pattern_of_text_.assign(p.texts.size(), kNoPattern);
  for (size_t s = 0; s < p.rows.size; ++s) {
    const SequenceRow& row = p.rows[s];
    expect(row.dir < p.texts.size(), "a folder for each sequence");
    expect(p.start[s + 1] > p.start[s], "at least one frame in ", p.texts[row.dir]);
    const uint64_t pictures = stills_.still ? 1 : p.start[s + 1] - p.start[s];
    if (row.naming == static_cast<uint32_t>(FrameNaming::kNames)) {
      expect(row.extra + pictures <= p.names.size(), "a file name for each frame of ", p.texts[row.dir]);
      continue;
    }
    expect(row.naming <= static_cast<uint32_t>(FrameNaming::kNumbers) && row.pattern < p.texts.size(), "a frame name pattern for ", p.texts[row.dir]);
    expect(row.naming != static_cast<uint32_t>(FrameNaming::kNumbers) || row.extra + pictures <= p.numbers.size, "a number for each frame of ", p.texts[row.dir]);
    if (pattern_of_text_[row.pattern] != kNoPattern) continue;
    pattern_of_text_[row.pattern] = static_cast<uint32_t>(patterns_.size());
    patterns_.emplace_back(std::string(p.texts[row.pattern]));
  }
  if (pack_) {
    expect(pack_->rows() == p.boxes.size, "a row of the pack's table for each of the ", std::to_string(p.boxes.size), " frames of its index, not ",
           std::to_string(pack_->rows()));
    return;  // a pack has the means in its rows
  }
  expect(!means_ || means_->rows() == p.boxes.size, "a table of means with a row for each frame");
  if (!means_) means_ = std::make_shared<MeanTable>(p.boxes.size);
}

std::string DatasetIndex::Path(uint32_t sequence, uint32_t frame) const {
  if (!pack_) return FramePath(sequence, frame);
  return PackMember(FramePath(sequence, frame), stills_.still ? frame : 0);
}

std::string DatasetIndex::FramePath(uint32_t sequence, uint32_t frame) const {
  const SequenceRow& row = parts_.rows[sequence];
  const size_t at = size_t{row.extra} + Picture(frame);
  std::string path(parts_.texts[row.dir]);
  if (!path.empty()) path += '/';
  if (row.naming == static_cast<uint32_t>(FrameNaming::kNames)) return path.append(parts_.names[at]);
  const int64_t number = row.naming == static_cast<uint32_t>(FrameNaming::kNumbers) ? parts_.numbers[at] : int64_t{row.first_number} + Picture(frame);
  return path + patterns_[pattern_of_text_[row.pattern]].Name(number);
}

DatasetIndex::Place DatasetIndex::AtRow(uint64_t row) const {
  const uint32_t* begin = parts_.start.data;
  const auto sequence = static_cast<uint32_t>(std::upper_bound(begin, begin + parts_.start.size, row) - begin - 1);
  return {sequence, static_cast<uint32_t>(row - parts_.start[sequence])};
}

}  // namespace siam::data
