// Included after variant.h in a variant's namespace: correlation and images against float64.

static void check_xcorr(const char* variant, int N, int C, int H, int W, double bound) {
  const int OH = H - KH + 1, OW = W - KW + 1;
  const std::string what = std::string(variant) + " correlation " + std::to_string(N) + "x" + std::to_string(C) + " " + std::to_string(H) + "x" + std::to_string(W) + " over " +
                           std::to_string(KH) + "x" + std::to_string(KW);
  const auto at = [C](int n, int y, int x, int h, int w, int c) { return ((static_cast<size_t>(n) * h + y) * w + x) * C + c; };
  const size_t in = static_cast<size_t>(N) * H * W * C, out_size = static_cast<size_t>(N) * OH * OW * C, taps = static_cast<size_t>(N) * KH * KW * C;
  std::vector<Element> x(in), k(taps), g(out_size);
  for (auto* values : {&x, &k, &g}) {
    for (auto& e : *values) e = element(draw_number());
  }
  Result<Element> out(out_size), dx(in), dk(taps);
  const unsigned forward = static_cast<unsigned>(N * OH * (C / V)), backward = static_cast<unsigned>(N * H * (C / V));
  emulation::launch((forward + 255) / 256, 1, 256, [&] { xcorr(x.data(), k.data(), out.data(), forward, C, H, W); });
  emulation::launch((backward + 255) / 256, 1, 256, [&] { xcorr_grad_x(g.data(), k.data(), dx.data(), backward, C, H, W); });
  emulation::launch(N * ((C / V + 31) / 32), 1, 256, [&] { xcorr_grad_k(g.data(), x.data(), dk.data(), C, H, W); });
  std::vector<double> want(out_size, 0.0), want_dx(in, 0.0), want_dk(taps, 0.0), got(out_size), got_dx(in), got_dk(taps);
  for (int n = 0; n < N; n++) {
    for (int oy = 0; oy < OH; oy++) {
      for (int ox = 0; ox < OW; ox++) {
        for (int i = 0; i < KH * KW; i++) {
          for (int c = 0; c < C; c++) {
            const size_t o = at(n, oy, ox, OH, OW, c), p = at(n, oy + i / KW, ox + i % KW, H, W, c), t = at(n, i / KW, i % KW, KH, KW, c);
            want[o] += static_cast<double>(number(x[p])) * number(k[t]);
            want_dx[p] += static_cast<double>(number(g[o])) * number(k[t]);
            want_dk[t] += static_cast<double>(number(g[o])) * number(x[p]);
          }
        }
      }
    }
  }
  for (size_t i = 0; i < out_size; i++) got[i] = number(out.data()[i]);
  for (size_t i = 0; i < in; i++) got_dx[i] = number(dx.data()[i]);
  for (size_t i = 0; i < taps; i++) got_dk[i] = number(dk.data()[i]);
  expect_close(what + ": out", got, want, bound);
  expect_close(what + ": dx", got_dx, want_dx, bound);
  expect_close(what + ": dk", got_dk, want_dk, bound);
  expect(what + ": nothing is written beyond", out.intact() && dx.intact() && dk.intact());
}

static void check_average_pool(const char* variant, int N, int H, int W, int C, double bound) {
  const std::string what = std::string(variant) + " average pool " + std::to_string(H) + "x" + std::to_string(W) + "x" + std::to_string(C);
  const size_t count = static_cast<size_t>(N) * H * W * C;
  std::vector<Element> x(count);
  for (auto& e : x) e = element(static_cast<float>(emulation::draw() % 2001) / 1000.0f - 1.0f);
  Result<Element> out(count);
  const auto total = static_cast<unsigned>(count / V);
  emulation::launch((total + 255) / 256, 1, 256, [&] { mean_3x3(x.data(), out.data(), total, H, W, C / V); });
  std::vector<double> got(count), want(count, 0.0);
  for (size_t i = 0; i < count; i++) {
    const int c = static_cast<int>(i % C), column = static_cast<int>(i / C % W), row = static_cast<int>(i / C / W % H), n = static_cast<int>(i / C / W / H);
    got[i] = number(out.data()[i]);
    for (int dy = -1; dy <= 1; dy++) {
      for (int dx = -1; dx <= 1; dx++) {
        const int r = row + dy, q = column + dx;
        if (r >= 0 && r < H && q >= 0 && q < W) want[i] += number(x[((static_cast<size_t>(n) * H + r) * W + q) * C + c]) / 9.0;
      }
    }
  }
  expect_close(what, got, want, bound);
  expect(what + ": nothing is written beyond", out.intact());
}

static void check_image(const char* variant, int N, int H, int W, double bound) {
  const std::string what = std::string(variant) + " image " + std::to_string(H) + "x" + std::to_string(W);
  const size_t plane = static_cast<size_t>(H) * W;
  std::vector<unsigned char> bytes(N * 3 * plane);
  for (auto& b : bytes) b = static_cast<unsigned char>(emulation::draw());
  std::vector<float> floats(bytes.begin(), bytes.end());
  const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
  for (const bool byte : {true, false}) {
    const void* image = byte ? static_cast<const void*>(bytes.data()) : floats.data();
    for (const int CO : {3, 4, 8}) {
      Result<Element> out(N * plane * CO);
      const auto total = static_cast<long long>(N * plane);
      emulation::launch(static_cast<unsigned>((total + 255) / 256), 1, 256, [&] {
        image_pixels(image, byte, out.data(), total, static_cast<long long>(plane), CO, 1, 255.0f, mean[0], mean[1], mean[2], deviation[0], deviation[1], deviation[2]);
      });
      std::vector<double> got(out.count), want(out.count, 0.0);
      for (size_t i = 0; i < out.count; i++) {
        const size_t c = i % CO, n = i / CO / plane, p = i / CO % plane;
        got[i] = number(out.data()[i]);
        if (c < 3) want[i] = (bytes[(n * 3 + 2 - c) * plane + p] / 255.0 - mean[c]) / deviation[c];
      }
      expect_close(what + " as pixels of " + std::to_string(CO), got, want, bound);
      expect(what + ": nothing is written beyond", out.intact());
    }
    const int QH = (H + 1) / 2, QW = (W + 1) / 2;
    Result<Element> out(static_cast<size_t>(N) * QH * QW * 16);
    const long long total = static_cast<long long>(N) * QH * QW;
    emulation::launch(static_cast<unsigned>((total + 255) / 256), 1, 256,
                      [&] { image_folded(image, byte, out.data(), total, H, W, 0, 1.0f, 0.0f, 0.0f, 0.0f, 1.0f, 1.0f, 1.0f); });
    std::vector<double> got(out.count), want(out.count, 0.0);
    for (size_t i = 0; i < out.count; i++) {
      const int channel = static_cast<int>(i % 16), qx = static_cast<int>(i / 16 % QW), qy = static_cast<int>(i / 16 / QW % QH), n = static_cast<int>(i / 16 / QW / QH);
      const int y = 2 * qy + channel / 2 % 2, column = 2 * qx + channel % 2;
      got[i] = number(out.data()[i]);
      if (channel < 12 && y < H && column < W) want[i] = bytes[(n * 3 + channel / 4) * plane + static_cast<size_t>(y) * W + column];
    }
    expect_close(what + " folded", got, want, bound);
    expect(what + ": nothing is written beyond", out.intact());
  }
}
