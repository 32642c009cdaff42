// A cached index: opened, checked as a whole, and mapped. The format is in docs/data-index.md; lib/data/index-file.ts writes it.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "file_state.h"
#include "index.h"
#include "mean_file.h"

namespace siam::data {

class IndexFile {
 public:
  /// Reads every byte once (checksums), then maps the file: what is not used takes no memory.
  /// The file must not be written to while it is open, only replaced or removed: a mapped file that is cut short is a SIGBUS.
  /// @throws ERR_IO when it cannot be read, ERR_DATA with the reason when it is no whole index of this version
  static std::shared_ptr<const IndexFile> Open(const std::string& path);

  /// They share the ownership of the mapping: it lives on while an index or loader that was made from them does.
  static IndexSections Sections(const std::shared_ptr<const IndexFile>& file);

  uint64_t bytes() const { return bytes_; }
  uint64_t sequences() const { return sections_.rows.size; }
  uint64_t frames() const { return sections_.boxes.size; }
  Stills stills() const { return stills_; }
  /// JSON that lib/data wrote: which data set it is, what was wrong with it, what it was built by.
  std::string_view meta() const { return {meta_.data, meta_.size}; }

  /// Means of its frames, shared by all that samples them; a file that was replaced by another index has other ones.
  const std::shared_ptr<MeanTable>& means() const { return means_; }
  MeanIdentity mean_identity() const { return {bytes_, header_crc_}; }

  struct Change {
    std::string path;
    FileState before, now;
  };
  /// The first dependency that is not as it was when the index was built.
  std::optional<Change> FirstChange() const;

  ~IndexFile();
  IndexFile(const IndexFile&) = delete;
  IndexFile& operator=(const IndexFile&) = delete;

 private:
  IndexFile() = default;

  const char* memory_ = nullptr;
  uint64_t bytes_ = 0;
  IndexSections sections_;  // its owner is empty: no cycle
  TextTable dependencies_;
  Span<FileState> states_;
  Span<char> meta_;
  Stills stills_;
  uint32_t header_crc_ = 0;
  std::shared_ptr<MeanTable> means_;
};

}  // namespace siam::data
