#include "index_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "../base/error.h"
#include "crc32c.h"
#include "descriptor.h"

namespace siam::data {
namespace {

// The format; lib/data/index-file.ts has the same numbers.
constexpr char kMagic[8] = {'S', 'I', 'A', 'M', 'I', 'D', 'X', '\n'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 512;
constexpr uint64_t kAlignment = 64;
enum Section { kBoxes, kStart, kRows, kNumbers, kNameOffsets, kNameBytes, kTextOffsets, kTextBytes, kPathOffsets, kPathBytes, kStates, kMeta, kSections };
/// Of one item; a section's size must be a multiple of it.
constexpr uint64_t kItemBytes[kSections] = {16, 4, 32, 4, 4, 1, 4, 1, 4, 1, 32, 1};
constexpr uint32_t kFlagStill = 1;

struct SectionEntry {
  uint64_t offset;
  uint64_t bytes;
  uint32_t crc;  ///< with the zeros up to the next section
  uint32_t reserved;
};

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t flags;
  uint64_t file_bytes;
  uint64_t sequences;
  uint64_t frames;
  uint32_t empty_stills;
  uint32_t sections;
  char reserved[16];
  SectionEntry section[kSections];
  char unused[kHeaderBytes - 64 - kSections * sizeof(SectionEntry) - 4];
  uint32_t crc;  ///< of all before it
};
static_assert(sizeof(SectionEntry) == 24 && sizeof(Header) == kHeaderBytes, "the header has no holes");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "index files are little endian and used where they lie");

[[noreturn]] void FailToRead(const std::string& path, int error) {
  throw SiamException("ERR_IO", std::string("cannot read it: ") + std::strerror(error), path);
}

uint64_t Aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

void ReadAt(const Descriptor& file, const std::string& path, uint64_t offset, char* to, size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = pread(file.fd, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FailToRead(path, errno);
    if (got == 0) throw SiamException("ERR_DATA", "it ends in the middle", path);
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

/// Reads, so that the checked pages do not count as this process's memory, as mapped ones would.
uint32_t CrcOf(const Descriptor& file, const std::string& path, uint64_t offset, uint64_t bytes) {
  std::vector<char> buffer(static_cast<size_t>(std::min<uint64_t>(bytes, 1 << 20)));
  uint32_t crc = 0;
  for (uint64_t at = 0; at < bytes;) {
    const auto part = static_cast<size_t>(std::min<uint64_t>(bytes - at, buffer.size()));
    ReadAt(file, path, offset + at, buffer.data(), part);
    crc = Crc32c(buffer.data(), part, crc);
    at += part;
  }
  return crc;
}

/// Everything that can be known without the sections' contents. Sizes are checked against the file before anything is allocated by them.
void CheckHeader(const Header& header, uint64_t file_bytes, const std::string& path) {
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) throw SiamException("ERR_DATA", what, path);
  };
  expect(std::memcmp(header.magic, kMagic, sizeof(kMagic)) == 0, "it is no index file");
  expect(header.version == kVersion, "it is of another version of the format");
  expect(Crc32c(&header, kHeaderBytes - 4) == header.crc, "its header is damaged");
  expect(header.file_bytes == file_bytes, "its size is not what its header says");
  expect(header.sections == kSections, "it has other sections than expected");
  uint64_t at = kHeaderBytes;
  for (size_t i = 0; i < kSections; ++i) {
    const SectionEntry& section = header.section[i];
    expect(section.offset == at && section.bytes <= file_bytes && section.bytes % kItemBytes[i] == 0, "its sections do not fit together");
    at += Aligned(section.bytes);
    expect(at <= file_bytes, "its sections do not fit into it");
  }
  expect(at == file_bytes, "its sections do not fill it");
  expect(header.section[kBoxes].bytes / 16 == header.frames && header.section[kRows].bytes / 32 == header.sequences, "its header contradicts itself");
}

template <class T>
Span<T> At(const char* memory, const SectionEntry& section) {
  return {reinterpret_cast<const T*>(memory + section.offset), static_cast<size_t>(section.bytes / sizeof(T))};
}

}  // namespace

std::shared_ptr<const IndexFile> IndexFile::Open(const std::string& path) {
  // O_NONBLOCK: a FIFO of that name must not hang the caller.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) FailToRead(path, errno);
  struct stat status {};
  if (fstat(file.fd, &status) != 0) FailToRead(path, errno);
  if (!S_ISREG(status.st_mode)) throw SiamException("ERR_DATA", "it is no regular file", path);
  const auto bytes = static_cast<uint64_t>(status.st_size);
  if (bytes < kHeaderBytes) throw SiamException("ERR_DATA", "it is shorter than a header", path);
  Header header;
  ReadAt(file, path, 0, reinterpret_cast<char*>(&header), kHeaderBytes);
  CheckHeader(header, bytes, path);
  for (const SectionEntry& section : header.section) {
    if (CrcOf(file, path, section.offset, Aligned(section.bytes)) != section.crc) throw SiamException("ERR_DATA", "it is damaged: a checksum does not agree", path);
  }

  const std::shared_ptr<IndexFile> index(new IndexFile());
  void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ, MAP_SHARED, file.fd, 0);
  if (memory == MAP_FAILED) FailToRead(path, errno);
  const char* base = static_cast<const char*>(memory);
  index->memory_ = base;
  index->bytes_ = bytes;
  index->header_crc_ = header.crc;
  // Pairs are drawn from all over: reading ahead would only bring in boxes that nobody asked for.
  madvise(memory, static_cast<size_t>(bytes), MADV_RANDOM);
  const auto& at = header.section;
  IndexSections& parts = index->sections_;
  parts.boxes = At<Xyxy>(base, at[kBoxes]);
  parts.start = At<uint32_t>(base, at[kStart]);
  parts.rows = At<SequenceRow>(base, at[kRows]);
  parts.numbers = At<int32_t>(base, at[kNumbers]);
  parts.names = {At<uint32_t>(base, at[kNameOffsets]), At<char>(base, at[kNameBytes])};
  parts.texts = {At<uint32_t>(base, at[kTextOffsets]), At<char>(base, at[kTextBytes])};
  index->dependencies_ = {At<uint32_t>(base, at[kPathOffsets]), At<char>(base, at[kPathBytes])};
  index->states_ = At<FileState>(base, at[kStates]);
  index->meta_ = At<char>(base, at[kMeta]);
  index->stills_ = {(header.flags & kFlagStill) != 0, header.empty_stills};
  if (!index->dependencies_.Fits() || index->dependencies_.size() != index->states_.size) {
    throw SiamException("ERR_DATA", "its list of files does not fit together", path);
  }
  try {
    DatasetIndex("", 1, 0, Sections(index), index->stills_);
  } catch (const SiamException& error) {
    throw SiamException("ERR_DATA", std::string("its contents do not fit together: ") + error.what(), path);
  }
  index->means_ = std::make_shared<MeanTable>(index->sections_.boxes.size);
  return index;
}

IndexFile::~IndexFile() {
  if (memory_ != nullptr) munmap(const_cast<char*>(memory_), static_cast<size_t>(bytes_));
}

IndexSections IndexFile::Sections(const std::shared_ptr<const IndexFile>& file) {
  IndexSections sections = file->sections_;
  sections.owner = file;
  return sections;
}

std::optional<IndexFile::Change> IndexFile::FirstChange() const {
  const auto changed = FirstChanged(dependencies_, states_);
  if (!changed) return std::nullopt;
  std::string path(dependencies_[*changed]);
  const FileState now = StateOf(path);
  return Change{std::move(path), states_[*changed], now};
}

}  // namespace siam::data
