// Included in the namespace of the float32 variant: the losses against float64 and its differences.

using Formula = std::function<double(const std::vector<double>& pred)>;

/// @param width  numbers of a position     @param run  launches the loss's kernel
static void check_loss(const std::string& what, std::vector<float> pred, int width, double weight, const Formula& formula,
                       const std::function<void(const float* pred, float* gradient, long long total, double* partial)>& run, double* mean_wanted = nullptr) {
  const long long total = static_cast<long long>(pred.size()) / width;
  const int blocks = 2;
  Result<float> gradient(pred.size()), loss(1), factor(1), mean(1), d_pred(pred.size());
  Result<double> partial(3 * blocks);
  emulation::launch(blocks, 1, 256, [&] { run(pred.data(), gradient.data(), total, partial.data()); });
  emulation::launch(1, 1, 256, [&] { loss_totals(partial.data(), blocks, weight, loss.data(), factor.data(), mean.data()); });
  const float upstream = 3.0f;
  const auto count = static_cast<long long>(pred.size());
  emulation::launch(static_cast<unsigned>((count + 255) / 256), 1, 256, [&] { loss_grad(gradient.data(), factor.data(), &upstream, d_pred.data(), count); });
  std::vector<double> wide(pred.begin(), pred.end()), want, got;
  expect_close(what + ": value", {loss.data()[0]}, {formula(wide)}, 1e-6);
  if (mean_wanted != nullptr) expect_close(what + ": mean", {mean.data()[0]}, {*mean_wanted}, 1e-6);
  for (size_t i = 0; i < wide.size(); i++) {
    const double kept = wide[i], step = 1e-5;
    wide[i] = kept + step;
    const double up = formula(wide);
    wide[i] = kept - step;
    const double down = formula(wide);
    wide[i] = kept;
    want.push_back(3.0 * (up - down) / (2 * step));
    got.push_back(d_pred.data()[i]);
  }
  expect_close(what + ": gradient", got, want, 2e-5);
  expect(what + ": nothing is written beyond", gradient.intact() && d_pred.intact() && loss.intact() && partial.intact());
}

static void check_losses() {
  const int total = 700;
  std::vector<float> logits(total), label(total), centre(total), boxes(4 * total), targets(4 * total);
  for (int i = 0; i < total; i++) {
    logits[i] = 4 * draw_number();
    label[i] = static_cast<float>(static_cast<int>(emulation::draw() % 3) - 1);  // −1, 0, 1
    centre[i] = i % 3 == 0 ? 0.0f : 0.5f + 0.5f * draw_number();
    const float x = 100 * draw_number(), y = 100 * draw_number();
    for (int j = 0; j < 4; j++) {
      targets[4 * i + j] = (j % 2 == 0 ? x : y) + (j < 2 ? 0.0f : 40.0f + 20 * draw_number());
      boxes[4 * i + j] = targets[4 * i + j] + (i % 7 == 0 ? 300.0f : 9 * draw_number());
    }
  }
  const auto log_of = [](double v) { return std::log(std::max(v, static_cast<double>(1.17549435e-38f))); };
  for (const double gamma : {0.0, 2.0, 1.5}) {
    for (const bool retina : {false, true}) {
      const double alpha = 0.25;
      const Formula formula = [&](const std::vector<double>& pred) {
        double sum = 0, positives = 0;
        for (int i = 0; i < total; i++) {
          if (label[i] > 0) positives++;
          if (label[i] == -1) continue;
          const double p = 1 / (1 + std::exp(-pred[i]));
          sum += label[i] == 1 ? -alpha * std::pow(1 - p, gamma) * log_of(p) : -(1 - alpha) * std::pow(p, gamma) * log_of(1 - p);
        }
        return sum / std::max(positives, 1.0) * 0.7;
      };
      check_loss(std::string(retina ? "SigmoidCrossEntropyRetina" : "FocalLoss") + " gamma " + std::to_string(gamma), logits, 1, 0.7, formula,
                 [&](const float* pred, float* gradient, long long n, double* partial) {
                   loss_focal(pred, label.data(), gradient, n, retina, 0.25f, static_cast<float>(gamma), -1.0f, partial);
                 });
    }
  }
  check_loss("SigmoidCrossEntropyCenterness", logits, 1, 1.0,
             [&](const std::vector<double>& pred) {
               double sum = 0, count = 0;
               for (int i = 0; i < total; i++) {
                 const double t = centre[i];
                 if (t == 0) continue;
                 count++;
                 sum += std::log1p(std::exp(pred[i])) - t * pred[i] + t * std::max(std::log(t), -100.0) + (1 - t) * std::max(std::log1p(-t), -100.0);
               }
               return sum / std::max(count, 1.0);
             },
             [&](const float* pred, float* gradient, long long n, double* partial) { loss_centerness(pred, centre.data(), gradient, n, partial); });
  double mean = 0;
  const Formula iou = [&](const std::vector<double>& pred) {
    double sum = 0, count = 0, overlap = 0;
    for (int i = 0; i < total; i++) {
      if (label[i] != 1) continue;
      const double* p = &pred[4 * i];
      const float* t = &targets[4 * i];
      const double w = std::max(std::min(p[2], static_cast<double>(t[2])) - std::max(p[0], static_cast<double>(t[0])) + 1, 0.0);
      const double h = std::max(std::min(p[3], static_cast<double>(t[3])) - std::max(p[1], static_cast<double>(t[1])) + 1, 0.0);
      const double areas = std::fabs((p[2] - p[0] + 1) * (p[3] - p[1] + 1)) + std::fabs((t[2] - t[0] + 1.0) * (t[3] - t[1] + 1.0));
      const double value = w * h / (areas - w * h);
      sum += -log_of(value);
      overlap += value;
      count++;
    }
    mean = overlap / std::max(count, 1.0);
    return sum / std::max(count, 1.0) * 3.0;
  };
  iou(std::vector<double>(boxes.begin(), boxes.end()));
  double mean_wanted = mean;
  check_loss("IOULoss", boxes, 4, 3.0, iou,
             [&](const float* pred, float* gradient, long long n, double* partial) { loss_iou(pred, targets.data(), label.data(), gradient, n, 0.0f, -1.0f, partial); }, &mean_wanted);
}
