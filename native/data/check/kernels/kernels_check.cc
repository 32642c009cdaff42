// Proves the kernels of the JPEG decoder: the portable ones give what the JPEG library gives, all others what the portable ones give.
// Exit code 0 and "ok:" with the tables' names when all holds. run.sh builds and runs it, with a sanitizer where asked; a test runs that.
#include "../../jpeg/kernels_tables.h"
#include "check.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: kernels_check LIBTURBOJPEG\n");
    return 2;
  }
  siam::data::jpeg::Report report;
  siam::data::jpeg::CheckTables(report);
  siam::data::jpeg::CheckAgainstLibrary(argv[1], report);
  if (report.failures() == 0) {
    std::printf("ok:");
    for (const siam::data::jpeg::Kernels* table : siam::data::jpeg::KernelTables()) std::printf(" %s", table->name);
    std::printf("\n");
  }
  return report.failures() == 0 ? 0 : 1;
}
