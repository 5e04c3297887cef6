#include "reference/stages.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace simdrope::reference {
namespace {

constexpr double kOverflow = 0x1p128;

double Reach(const Element& e) { return std::fabs(e.value) + e.error; }

// Whether a float operation whose terms are of this size may overflow. Infinite terms are no overflow: they stay so.
bool MayOverflow(double size) { return std::isfinite(size) && size * kSlack >= kOverflow; }

// Settles what an error is worth: none where the value is not finite, anything where float may have overflowed.
Element Settled(double value, double error, double size, bool may_overflow) {
  if (may_overflow) {
    error = INFINITY;
  } else if (!std::isfinite(value)) {
    error = 0;
  } else if (std::isnan(error)) {
    error = INFINITY;
  }
  return {value, error, size};
}

bool IsUncertain(const Element& e) { return std::isinf(e.error); }

// Both ends of what an element can be, rounded.
Element RoundedElement(const Element& e, Format format) {
  if (IsUncertain(e) || !std::isfinite(e.value)) return e;
  const double value = Rounded(e.value, format);
  const double above = Rounded(e.value + e.error, format), below = Rounded(e.value - e.error, format);
  return Settled(value, std::max(above - value, value - below), std::fabs(value),
                 std::isinf(above) || std::isinf(below));
}

struct Weights {
  const simdrope_norm& norm;

  static double At(const void* data, const simdrope_norm& norm, size_t head, size_t d) {
    const int64_t index = static_cast<int64_t>(head) * norm.weight_head_stride + static_cast<int64_t>(d);
    return Load(static_cast<const char*>(data) + size_of(norm.weight_format, index), norm.weight_format);
  }

  // With its offset: rounded where there is one.
  Element Weight(size_t head, size_t d) const {
    const double sum = At(norm.weight, norm, head, d) + static_cast<double>(norm.weight_offset);
    const double rounding = norm.weight_offset == 0 ? 0 : kU * std::fabs(sum) + kTiny;
    return {sum, rounding, std::fabs(sum)};
  }
};

Element Product(const Element& a, const Element& b) {
  const double value = a.value * b.value;
  const double size = Reach(a) * Reach(b);
  const double error = (a.error * Reach(b) + b.error * std::fabs(a.value) + kU * size) * kSlack + kTiny;
  return Settled(value, error, std::fabs(value), MayOverflow(size) || IsUncertain(a) || IsUncertain(b));
}

// 1 / sqrt and what it may be off by, of a sum of squares within `error` and `gamma` relative.
Element InverseRoot(double mean, double error, double gamma) {
  const double value = 1 / std::sqrt(mean);
  if (std::isnan(mean) || std::isinf(mean)) return {value, 0, value};
  const double low = mean * (1 - gamma) - error;
  const double greatest = low > 0 ? 1 / std::sqrt(low) : INFINITY;
  const double off = std::isinf(value) && error == 0 ? 0 : greatest - value + 4 * kU * greatest;
  return Settled(value, off * kSlack, value, std::isnan(off));
}

// One norm over `heads`, of which the first is number `first` of the token.
void NormaliseTogether(std::vector<Head*> heads, size_t first, const simdrope_norm& norm, Format rounding) {
  const double n = static_cast<double>(heads.size() * heads[0]->size());
  const double gamma = (static_cast<double>(heads[0]->size()) / 16 + 7 + static_cast<double>(heads.size())) * kU;
  const bool is_layer = norm.type == SIMDROPE_NORM_LAYER;
  bool uncertain = false;
  const auto for_all = [&](const auto& visit) {
    for (size_t h = 0; h < heads.size(); ++h) {
      for (size_t d = 0; d < heads[h]->size(); ++d) visit((*heads[h])[d], first + h, d);
    }
  };

  double sum = 0, sum_error = 0, magnitudes = 0;
  for_all([&](const Element& e, size_t, size_t) {
    uncertain = uncertain || IsUncertain(e);
    sum += e.value;
    sum_error += e.error;
    magnitudes += Reach(e);
  });
  const double mean = is_layer ? sum / n : 0;
  const double mean_error = is_layer ? (sum_error + (gamma + 2 * kU) * magnitudes) / n * kSlack + kTiny : 0;
  if (is_layer) uncertain = uncertain || MayOverflow(magnitudes);

  double squares = 0, squares_error = 0;
  for_all([&](Element& e, size_t, size_t) {
    if (is_layer) {
      const double size = std::fabs(e.value) + std::fabs(mean);
      e = Settled(e.value - mean, e.error + mean_error + kU * size + kTiny, size, MayOverflow(size));
    }
    squares += e.value * e.value;
    squares_error += (e.error == 0 ? 0 : (2 * std::fabs(e.value) + e.error) * e.error) + kTiny;
  });
  uncertain = uncertain || MayOverflow((squares + squares_error) * (1 + gamma));

  Element factor;
  const double eps = static_cast<double>(norm.eps);
  if (norm.type == SIMDROPE_NORM_L2) {
    const double floor = eps * eps;
    factor = InverseRoot(std::max(squares, floor), squares > floor ? squares_error : 0, squares > floor ? gamma : 0);
    // Next to eps either may be the greater one: the error of the sum counts all the same.
    if (squares <= floor && (squares + squares_error) * (1 + gamma) > floor) {
      factor.error += factor.value - 1 / std::sqrt((squares + squares_error) * (1 + gamma));
    }
  } else {
    factor = InverseRoot(squares / n + eps, squares_error / n, gamma + 2 * kU);
  }

  const Weights weights{norm};
  for_all([&](Element& e, size_t h, size_t d) {
    e = Product(e, factor);
    if (norm.round && !is_layer) e = RoundedElement(e, rounding);
    if (norm.weight != nullptr) e = Product(e, weights.Weight(h, d));
    if (is_layer && norm.bias != nullptr) {
      const double bias = Weights::At(norm.bias, norm, h, d);
      const double size = Reach(e) + std::fabs(bias);
      e = Settled(e.value + bias, e.error + kU * size + kTiny, size, MayOverflow(size) || IsUncertain(e));
    }
    if (norm.round) e = RoundedElement(e, rounding);
    if (uncertain) e.error = INFINITY;
  });
}

}  // namespace

Window Window::Of(const simdrope_rope_info& info, Pairing output_pairing) {
  Window window{info.rotary_dim, info.rotary_offset, info.split, info.pairing,
                output_pairing == SIMDROPE_SAME_PAIRING ? info.pairing : output_pairing};
  if (!info.pairs_in_sections) return window;
  for (int i = 0; i < info.pairs; ++i) {
    if (i == 0 || info.pair_axis[i] != info.pair_axis[i - 1]) window.block_pairs.push_back(0);
    ++window.block_pairs.back();
  }
  return window;
}

Place PlaceOf(const Window& w, Pairing pairing, int pair) {
  if (pairing == half && !w.block_pairs.empty()) {
    int first = 0;  // pair of the block
    size_t block = 0;
    while (pair >= first + w.block_pairs[block]) first += w.block_pairs[block++];
    const int x = w.rotary_offset + 2 * first + (pair - first);
    return {static_cast<size_t>(x), static_cast<size_t>(x + w.block_pairs[block])};
  }
  const int x = w.rotary_offset + (pairing == interleaved ? 2 * pair : pair);
  return {static_cast<size_t>(x), static_cast<size_t>(x + (pairing == interleaved ? 1 : w.split))};
}

namespace {

// Where in a row the cos and sin of a pair's second element are.
size_t SecondOf(const Row& row, size_t pair, const Window& window) {
  const auto pairs = static_cast<size_t>(window.pairs());
  return row.cos.size() > pairs ? pairs + pair : pair;
}

}  // namespace

void RotateHead(const Window& window, const Row& row, bool inverse, const std::vector<double>& in,
                std::vector<double>* out) {
  for (int i = 0; i < window.pairs(); ++i) {
    const size_t pair = static_cast<size_t>(i);
    const Place from = PlaceOf(window, window.pairing, i), to = PlaceOf(window, window.output_pairing, i);
    const double x = in[from.x], y = in[from.y];
    const size_t second = SecondOf(row, pair, window);
    const double sin_x = inverse ? -row.sin[second] : row.sin[pair], sin_y = inverse ? -row.sin[pair] : row.sin[second];
    (*out)[to.x] = x * row.cos[pair] - y * sin_x;
    (*out)[to.y] = y * row.cos[second] + x * sin_y;
  }
}

Head Rotated(const Head& in, const Window& window, const Row& row, bool inverse, double scale) {
  const double most = std::max(1.0, std::fabs(scale));
  Head out = in;
  std::vector<double> values;
  for (const Element& e : in) values.push_back(e.value);
  RotateHead(window, row, inverse, std::vector<double>(values), &values);
  for (int i = 0; i < window.pairs(); ++i) {
    const size_t pair = static_cast<size_t>(i);
    const Place from = PlaceOf(window, window.pairing, i), to = PlaceOf(window, window.output_pairing, i);
    const Element &x = in[from.x], &y = in[from.y];
    const size_t second = SecondOf(row, pair, window);
    const double sin_x = std::fabs(row.sin[inverse ? second : pair]),
                 sin_y = std::fabs(row.sin[inverse ? pair : second]);
    const double floor = row.floor.empty() ? 0 : std::max(row.floor[pair], row.floor[second]);
    const auto put = [&](size_t at, const Element& one, double with_one, const Element& other, double with_other) {
      const double first = Reach(one) * with_one, second = Reach(other) * with_other, size = first + second;
      const double error = one.error * with_one + other.error * with_other + (2 * kU + row.error) * size +
                           floor * (Reach(one) + Reach(other));
      const bool overflows = MayOverflow(first * most) || MayOverflow(second * most) || MayOverflow(size * most);
      out[at] =
          Settled(values[at], error * kSlack + 3 * kTiny, size, overflows || IsUncertain(one) || IsUncertain(other));
    };
    put(to.x, x, std::fabs(row.cos[pair]), y, sin_x);
    put(to.y, y, std::fabs(row.cos[second]), x, sin_y);
  }
  return out;
}

Head Hadamard(const Head& in, int width) {
  if (width == 0) return in;
  const size_t w = static_cast<size_t>(width);
  const double norm = 1 / std::sqrt(static_cast<double>(width));
  Head out = in;
  for (size_t first = 0; first < in.size(); first += w) {
    double size = 0, error = 0;
    bool uncertain = false;
    for (size_t j = first; j < first + w; ++j) {
      size += Reach(in[j]);
      error += in[j].error;
      uncertain = uncertain || IsUncertain(in[j]);
    }
    const double rounding = (std::log2(static_cast<double>(width)) + 2) * kU * size;
    for (size_t i = 0; i < w; ++i) {
      double sum = 0;
      for (size_t j = 0; j < w; ++j) sum += (std::popcount(i & j) % 2 == 0 ? 1 : -1) * in[first + j].value;
      out[first + i] =
          Settled(sum * norm, (error + rounding) * norm * kSlack + kTiny, size * norm, MayOverflow(size) || uncertain);
    }
  }
  return out;
}

Head Scaled(const Head& in, double factor, int roundings) {
  if (factor == 1) return in;
  Head out;
  for (const Element& e : in) {
    const double size = std::max(e.size, Reach(e)) * std::fabs(factor);
    const double error = (e.error * std::fabs(factor) + roundings * kU * size) * kSlack + 2 * kTiny;
    out.push_back(Settled(e.value * factor, error, size, MayOverflow(size) || IsUncertain(e)));
  }
  return out;
}

Token Normalised(const Token& in, const simdrope_norm& norm, Format rounding) {
  if (norm.type == SIMDROPE_NORM_NONE || in.empty()) return in;
  Token out = in;
  std::vector<Head*> heads;
  for (Head& head : out) heads.push_back(&head);
  if (norm.over_all_heads) {
    NormaliseTogether(heads, 0, norm, rounding);
  } else {
    for (size_t h = 0; h < heads.size(); ++h) NormaliseTogether({heads[h]}, h, norm, rounding);
  }
  return out;
}

}  // namespace simdrope::reference
