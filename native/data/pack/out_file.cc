#include "out_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "../../base/error.h"

namespace siam::data {
namespace {

constexpr size_t kPiece = 1 << 20;

void SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const int folder = open(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  // Some file systems cannot sync a folder; the file is in place all the same.
  (void)fsync(folder);
  close(folder);
}

}  // namespace

OutFile::OutFile(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {
  fd_ = open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) Fail(errno);
  buffer_.reserve(kPiece);
}

OutFile::~OutFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(partial_.c_str());
}

void OutFile::Fail(int error) const {
  const char* hint = error == ENOSPC || error == EDQUOT ? "; make room, and the same command goes on from here" : "";
  throw SiamException("ERR_IO", std::string("cannot write it: ") + std::strerror(error) + hint, path_);
}

void OutFile::Flush() {
  for (size_t done = 0; done < buffer_.size();) {
    const ssize_t written = write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail(errno);
    done += static_cast<size_t>(written);
  }
  buffer_.clear();
}

void OutFile::Write(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  size_ += size;
  while (size > 0) {
    const size_t part = std::min(size, kPiece - buffer_.size());
    buffer_.insert(buffer_.end(), bytes, bytes + part);
    bytes += part;
    size -= part;
    if (buffer_.size() == kPiece) Flush();
  }
}

void OutFile::Zeros(size_t count) {
  static const uint8_t zeros[1024] = {};
  for (; count > 0; count -= std::min(count, sizeof zeros)) Write(zeros, std::min(count, sizeof zeros));
}

void OutFile::Commit() {
  Flush();
  if (fsync(fd_) != 0) Fail(errno);
  const int closed = close(fd_);
  fd_ = -1;
  if (closed != 0 || std::rename(partial_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    unlink(partial_.c_str());
    Fail(error);
  }
  SyncFolderOf(path_);
}

InFile::InFile(std::string path) : path_(std::move(path)) {
  fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  if (fd_ < 0 || fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const int error = errno;
    if (fd_ >= 0) close(fd_);
    throw SiamException("ERR_IO", fd_ >= 0 && !S_ISREG(status.st_mode) ? "Expected a regular file" : std::string("cannot read it: ") + std::strerror(error), path_);
  }
  size_ = static_cast<uint64_t>(status.st_size);
  (void)posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  buffer_.resize(kPiece);
}

InFile::~InFile() { close(fd_); }

size_t InFile::Read(void* data, size_t size) {
  auto* to = static_cast<uint8_t*>(data);
  size_t have = 0;
  while (have < size) {
    if (begin_ == end_) {
      const ssize_t got = read(fd_, buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw SiamException("ERR_IO", std::string("cannot read it: ") + std::strerror(errno), path_);
      if (got == 0) break;
      begin_ = 0;
      end_ = static_cast<size_t>(got);
    }
    const size_t part = std::min(size - have, end_ - begin_);
    std::memcpy(to + have, buffer_.data() + begin_, part);
    begin_ += part;
    have += part;
  }
  return have;
}

}  // namespace siam::data
