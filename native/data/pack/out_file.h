// Files that are written under a temporary name and renamed when they are complete and on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace siam::data {

/// Writes `PATH.partial`; Commit() makes it PATH. What is not committed is removed.
class OutFile {
 public:
  /// @throws ERR_IO
  explicit OutFile(std::string path);
  ~OutFile();
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  /// @throws ERR_IO, for a full disk too
  void Write(const void* data, size_t size);
  void Zeros(size_t count);
  uint64_t size() const { return size_; }

  /// Makes the bytes durable before the name: after a power cut, PATH is whole or not there. @throws ERR_IO
  void Commit();

 private:
  void Flush();
  [[noreturn]] void Fail(int error) const;

  const std::string path_, partial_;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::vector<uint8_t> buffer_;
};

/// Reads a file from its beginning to its end in big pieces.
class InFile {
 public:
  /// @throws ERR_IO
  explicit InFile(std::string path);
  ~InFile();
  InFile(const InFile&) = delete;
  InFile& operator=(const InFile&) = delete;

  /// Size when it was opened.
  uint64_t size() const { return size_; }
  /// The next bytes. @returns fewer than asked for at the end of the file     @throws ERR_IO
  size_t Read(void* data, size_t size);

 private:
  const std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace siam::data
