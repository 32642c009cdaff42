#include <cstring>
#include <functional>
#include <memory>

#include "../../jpeg/kernels_tables.h"
#include "blocks.h"
#include "check.h"

namespace siam::data::jpeg {
namespace {

/// A row of `count` samples whose readable bytes end where the contract says, so that a sanitizer sees what reads beyond. It starts
/// `shift` bytes behind an aligned address.
class Row {
 public:
  Row(int count, int shift, Random* random) : bytes_(new uint8_t[static_cast<size_t>(shift + kRowMargin + count + kRowSlack)]), first_(shift + kRowMargin) {
    for (int i = 0; i < first_ + count + kRowSlack; ++i) bytes_[i] = random != nullptr ? MakeSample(*random) : 0xA5;
  }

  uint8_t* data() { return bytes_.get() + first_; }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  int first_;
};

void CheckIdct(const Kernels& table, Report& report) {
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    for (int scale = 0; scale < kQuantKinds; ++scale) {
      Random random(static_cast<uint64_t>(kind * 100 + scale));
      for (int i = 0; i < 4000; ++i) {
        const auto quant = Placed(MakeQuant(scale, random));
        const Block block = Placed(MakeBlock(kind, random));
        Block used = block;
        const ptrdiff_t stride = 8 + random.Within(0, 9);
        std::vector<uint8_t> expected(static_cast<size_t>(7 * stride + 8), 0xA5), got(expected);
        PortableKernels().idct(used.data(), quant.data(), expected.data(), stride);
        used = block;
        table.idct(used.data(), quant.data(), got.data(), stride);
        report.Expect(got == expected && used == Block{}, table.name, "idct", BlockKindName(kind), scale);
        for (const bool half : {true, false}) {
          std::fill(got.begin(), got.end(), uint8_t{0xA5});
          auto reduced = got;
          used = block;
          (half ? PortableKernels().idct_to_4x4 : PortableKernels().idct_to_2x2)(used.data(), quant.data(), reduced.data(), stride);
          used = block;
          (half ? table.idct_to_4x4 : table.idct_to_2x2)(used.data(), quant.data(), got.data(), stride);
          report.Expect(got == reduced && used == Block{}, table.name, half ? "idct_to_4x4" : "idct_to_2x2", BlockKindName(kind), scale);
        }
        if (IsIn4x4(block)) {
          std::fill(got.begin(), got.end(), uint8_t{0xA5});
          used = block;
          table.idct_4x4(used.data(), quant.data(), got.data(), stride);
          report.Expect(got == expected && used == Block{}, table.name, "idct_4x4", BlockKindName(kind), scale);
        }
        if (IsDcOnly(block)) {
          std::fill(got.begin(), got.end(), uint8_t{0xA5});
          table.idct_dc(block[0], quant[0], got.data(), stride);
          report.Expect(got == expected, table.name, "idct_dc", BlockKindName(kind), scale);
        }
      }
    }
  }
}

/// Runs one entry of both tables on rows of all lengths and alignments. @param inputs  rows that `run` reads     @param width_of_output
/// bytes of output for `count`     @param exact  whether nothing behind the output may be written
void CheckRows(const Kernels& table, const char* entry, int inputs, bool exact, Report& report,
               const std::function<int(int)>& width_of_output,
               const std::function<void(const Kernels&, std::vector<Row>&, int, uint8_t*)>& run) {
  Random random(static_cast<uint64_t>(inputs));
  for (int count = 1; count <= 330; ++count) {
    std::vector<Row> rows;
    for (int i = 0; i < inputs; ++i) rows.emplace_back(count, random.Within(0, 63), &random);
    const int width = width_of_output(count), kept = exact ? width : width + kRowSlack;
    Row expected(kept, 0, nullptr), got(kept, random.Within(0, 63), nullptr);
    run(PortableKernels(), rows, count, expected.data());
    run(table, rows, count, got.data());
    report.Expect(std::memcmp(expected.data(), got.data(), static_cast<size_t>(width)) == 0, table.name, entry, "count", count);
    bool untouched = got.data()[-1] == 0xA5;
    for (int i = kept; i < kept + kRowSlack; ++i) untouched = untouched && got.data()[i] == 0xA5;
    report.Expect(untouched, table.name, "writes beyond its row", entry, count);
  }
}

int Once(int count) { return count; }
int Twice(int count) { return 2 * count; }
int Pixels(int count) { return 3 * count; }

template <class Entry>
void CheckThree(const Kernels& table, const char* name, Entry entry, Report& report) {
  CheckRows(table, name, 3, true, report, Pixels, [=](const Kernels& k, std::vector<Row>& in, int count, uint8_t* out) {
    (k.*entry)(in[0].data(), in[1].data(), in[2].data(), count, out);
  });
}

template <class Entry>
void CheckThreeSums(const Kernels& table, const char* name, Entry entry, Report& report) {
  CheckRows(table, name, 3, true, report, [](int) { return 24; }, [=](const Kernels& k, std::vector<Row>& in, int count, uint8_t* out) {
    uint64_t sums[3] = {5, 6, 7};
    (k.*entry)(in[0].data(), in[1].data(), in[2].data(), count, sums);
    std::memcpy(out, sums, 24);
  });
}

void CheckColours(const Kernels& table, Report& report) {
  std::vector<uint8_t> y(65536 + kRowSlack), cb(y), cr(y), expected(65536 * 3), got(expected);
  for (int i = 0; i < 65536; ++i) {
    cb[i] = static_cast<uint8_t>(i >> 8);
    cr[i] = static_cast<uint8_t>(i);
  }
  for (int luma = 0; luma < 256; ++luma) {
    std::memset(y.data(), luma, 65536);
    PortableKernels().ycc_to_bgr(y.data(), cb.data(), cr.data(), 65536, expected.data());
    table.ycc_to_bgr(y.data(), cb.data(), cr.data(), 65536, got.data());
    report.Expect(got == expected, table.name, "ycc_to_bgr, all colours", "luma", luma);
  }
}

void CheckTable(const Kernels& table, Report& report) {
  CheckIdct(table, report);
  CheckColours(table, report);
  using In = std::vector<Row>;
  CheckRows(table, "upsample_h2v1", 1, false, report, Twice, [](const Kernels& k, In& in, int n, uint8_t* out) { k.upsample_h2v1(in[0].data(), n, out); });
  CheckRows(table, "upsample_h2v2", 2, false, report, Twice,
            [](const Kernels& k, In& in, int n, uint8_t* out) { k.upsample_h2v2(in[0].data(), in[1].data(), n, out); });
  for (const bool lower : {false, true}) {
    CheckRows(table, "upsample_h1v2", 2, false, report, Once,
              [=](const Kernels& k, In& in, int n, uint8_t* out) { k.upsample_h1v2(in[0].data(), in[1].data(), lower, n, out); });
  }
  CheckRows(table, "gray_to_bgr", 1, true, report, Pixels, [](const Kernels& k, In& in, int n, uint8_t* out) { k.gray_to_bgr(in[0].data(), n, out); });
  CheckThree(table, "ycc_to_bgr", &Kernels::ycc_to_bgr, report);
  CheckThree(table, "h2v1_to_bgr", &Kernels::h2v1_to_bgr, report);
  CheckThreeSums(table, "ycc_add_bgr", &Kernels::ycc_add_bgr, report);
  CheckThreeSums(table, "h2v1_add_bgr", &Kernels::h2v1_add_bgr, report);
  CheckRows(table, "h2v2_to_bgr", 5, true, report, Pixels, [](const Kernels& k, In& in, int n, uint8_t* out) {
    k.h2v2_to_bgr(in[0].data(), in[1].data(), in[2].data(), in[3].data(), in[4].data(), n, out);
  });
  CheckRows(table, "h2v2_add_bgr", 5, true, report, [](int) { return 24; }, [](const Kernels& k, In& in, int n, uint8_t* out) {
    uint64_t sums[3] = {1, 2, 3};
    k.h2v2_add_bgr(in[0].data(), in[1].data(), in[2].data(), in[3].data(), in[4].data(), n, sums);
    std::memcpy(out, sums, 24);
  });
}

}  // namespace

void CheckTables(Report& report) {
  for (const Kernels* table : KernelTables()) CheckTable(*table, report);
}

}  // namespace siam::data::jpeg
