#include "reference/job.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace simdrope::reference {
namespace {

Format InputFormatToRoundTo(Format format) { return format == f16 || format == bf16 ? format : f32; }

// Roundings of the scale's product: Q's may be one with its temperature, which is a rounded float.
int RoundingsOf(double scale, double temperature) { return temperature == 1 ? 1 : scale == 1 ? 2 : 3; }

Row Skipped() {
  Row row;
  row.action = Action::kSkip;
  return row;
}

std::vector<Position> OnAxes(const simdrope_positions& positions, int64_t b, int64_t s) {
  std::vector<Position> on_axis;
  for (int axis = 0; axis < SIMDROPE_MAX_AXES; ++axis) on_axis.push_back(PositionOf(positions, axis, b, s));
  return on_axis;
}

std::string Describe(Operand operand, int64_t b, int64_t s, size_t h, size_t d, const Element& want, double got,
                     const simdrope_tensor& in, const simdrope_tensor& out) {
  char text[256];
  std::snprintf(text, sizeof text,
                "%s[%lld, %lld, %zu, %zu] (batch, token, head, element) is %.9g, expected %.12g +- %.3g (%s to %s)",
                NameOf(operand), static_cast<long long>(b), static_cast<long long>(s), h, d, got, want.value,
                want.error, NameOf(in.format), NameOf(out.format));
  return text;
}

// Errors beyond it are absolute ones, of subnormals and next to zeros of cos and sin: they say nothing in ULP.
constexpr double kLeastCounted = 0x1p-20;

// Adds one element. `allowed` is the whole error that it may have.
void Add(const Element& want, double got, Format format, double allowed, bool right, Comparison* c) {
  ++c->elements;
  if (!std::isfinite(want.value) || !std::isfinite(got) || std::isinf(allowed)) {
    if (!right) c->worst_share = std::max(c->worst_share, 1e30);
    return;
  }
  const double error = std::fabs(got - want.value);
  const double size = std::max(want.size, std::fabs(want.value) + want.error);
  if (want.error <= want.size * kLeastCounted) {
    const double ulp = UlpAt(size, IsFloat(format) ? format : f32);
    c->worst_ulp = std::max(c->worst_ulp, error / ulp);
    c->bound_ulp = std::max(c->bound_ulp, allowed / ulp);
  }
  if (error > 0) c->worst_share = std::max(c->worst_share, allowed > 0 ? error / allowed : 1e30);
}

}  // namespace

const char* NameOf(Operand operand) { return operand == Operand::kQ ? "q" : operand == Operand::kK ? "k" : "v"; }

RowOfToken RowsOfRope(const Config& config, const Frequencies& frequencies, const simdrope_positions& positions,
                      const simdrope_positions* key_positions) {
  const simdrope_positions of_keys = key_positions == nullptr ? positions : *key_positions;
  return [=](bool key, int64_t b, int64_t s) {
    const simdrope_positions& p = key ? of_keys : positions;
    if (IsPadding(p, b, s)) return Skipped();
    return RowOf(config, frequencies, OnAxes(p, b, s), key);
  };
}

RowOfToken RowsOfTable(const simdrope_cos_sin& view, int pairs, const simdrope_positions* key_positions) {
  const simdrope_positions of_keys = key_positions == nullptr ? view.positions : *key_positions;
  return [=](bool key, int64_t b, int64_t s) {
    const simdrope_positions& p = key ? of_keys : view.positions;
    if (IsPadding(p, b, s)) return Skipped();
    return RowOfTable(view.table, pairs, view.pair_axis, b, OnAxes(p, b, s), static_cast<double>(view.magnitude));
  };
}

void Job::SetWindow(int rotary_dim, int rotary_offset, Pairing pairing) {
  window = {rotary_dim, rotary_offset, rotary_dim / 2, pairing, pairing};
}

void Job::SetOptions(const simdrope_options& options) {
  inverse = options.inverse;
  if (options.output_pairing != SIMDROPE_SAME_PAIRING) window.output_pairing = options.output_pairing;
  q = options.q;
  k = options.k;
  v = options.v;
}

const simdrope_tensor& Job::input(Operand operand) const {
  return operand == Operand::kQ ? in.q : operand == Operand::kK ? in.k : in.v;
}
const simdrope_tensor& Job::output(Operand operand) const {
  return operand == Operand::kQ ? out.q : operand == Operand::kK ? out.k : out.v;
}
const simdrope_stages& Job::stages(Operand operand) const {
  return operand == Operand::kQ ? q : operand == Operand::kK ? k : v;
}

Step StepOf(const Job& job, Operand operand) {
  const simdrope_tensor& in = job.input(operand);
  for (const simdrope_tensor* t : {&in, &job.output(operand)}) {
    if (t->slots.source != SIMDROPE_SLOTS_NONE) return {t->slots.batch, t->slots.seq};
  }
  return {in.batch, in.seq};
}

Entry EntryOf(const simdrope_tensor& t, const simdrope_positions* positions, int64_t b, int64_t s) {
  const simdrope_slots& slots = t.slots;
  if (slots.source == SIMDROPE_SLOTS_NONE) return {b, s, false};
  if (slots.source == SIMDROPE_SLOTS_POSITIONS) return {b, PositionOf(*positions, 0, b, s).whole, false};
  const int64_t index = b * slots.batch_stride + s * slots.seq_stride;
  const int64_t slot = slots.type == SIMDROPE_INDEX_I32 ? static_cast<const int32_t*>(slots.ids)[index]
                                                        : static_cast<const int64_t*>(slots.ids)[index];
  if (slot == -1) return {0, 0, true};
  return {slot / t.seq, slot % t.seq, false};
}

Token ExpectedToken(const Job& job, Operand operand, int64_t b, int64_t s) {
  const simdrope_tensor &in = job.input(operand), &out = job.output(operand);
  const simdrope_stages& stages = job.stages(operand);
  const Entry from = EntryOf(in, job.slot_positions, b, s), to = EntryOf(out, job.slot_positions, b, s);
  if (from.skipped || to.skipped) return {};
  Row row;
  row.action = Action::kCopy;
  if (job.row) row = job.row(operand != Operand::kQ, b, s);
  if (row.action == Action::kSkip) return {};

  Token token;
  for (int64_t h = 0; h < in.heads; ++h) {
    token.push_back(Hadamard(Exactly(Decode(HeadAt(in, from.b, from.s, h))), stages.input_hadamard));
  }
  const double scale = static_cast<double>(stages.scale);
  const double temperature = operand == Operand::kQ ? row.query_scale : 1;
  const Format rounding = InputFormatToRoundTo(in.format);
  if (!stages.norm.after_rotation) token = Normalised(token, stages.norm, rounding);
  if (operand != Operand::kV && row.action == Action::kRotate) {
    for (Head& head : token) head = Rotated(head, job.window, row, job.inverse, scale * temperature);
  }
  if (stages.norm.after_rotation) token = Normalised(token, stages.norm, rounding);
  for (Head& head : token) {
    head = Scaled(Hadamard(head, stages.hadamard), scale * temperature, RoundingsOf(scale, temperature));
  }
  return token;
}

void* ElementOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d) {
  return HeadAt(t, b, s, h).data + size_of(t.format, d);
}

double ValueOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d) {
  return Load(ElementOf(t, b, s, h, d), t.format);
}

void CompareToken(const Job& job, Operand operand, int64_t b, int64_t s, const Token& expected,
                  Comparison* comparison) {
  const simdrope_tensor& out = job.output(operand);
  const Entry to = EntryOf(out, job.slot_positions, b, s);
  for (size_t h = 0; h < expected.size(); ++h) {
    const Head& want = expected[h];
    const StoredHead stored = HeadAt(out, to.b, to.s, static_cast<int64_t>(h));
    const std::vector<double> got = Decode(stored);
    std::vector<double> values, errors;
    for (const Element& e : want) {
      values.push_back(e.value);
      errors.push_back(e.error);
    }
    const std::vector<double> allowed = StoreErrors(values, errors, stored);
    const bool is_plain = out.format == f32 || out.format == f16 || out.format == bf16;
    for (size_t d = 0; d < want.size(); ++d) {
      const bool right = is_plain ? IsWithin(want[d], got[d], out.format)
                                  : std::isinf(allowed[d]) || std::fabs(got[d] - values[d]) <= allowed[d];
      const bool exact = is_plain && want[d].error == 0;
      const Element stored_want = exact ? Element{Rounded(values[d], out.format), 0, want[d].size} : want[d];
      Add(stored_want, got[d], out.format, exact ? 0 : allowed[d], right, comparison);
      if (!right && comparison->first_wrong.empty()) {
        comparison->first_wrong = Describe(operand, b, s, h, d, want[d], got[d], job.input(operand), out);
      }
    }
  }
}

void CompareAll(const Job& job, Comparison* comparison) {
  for (const Operand operand : kOperands) {
    if (!job.has(operand)) continue;
    ForStep(job, operand, [&](int64_t b, int64_t s) {
      CompareToken(job, operand, b, s, ExpectedToken(job, operand, b, s), comparison);
    });
  }
}

}  // namespace simdrope::reference
