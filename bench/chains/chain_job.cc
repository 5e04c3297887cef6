#include "chain_job.h"

#include <algorithm>
#include <cmath>

#include "reference/job.h"

namespace simdrope::bench {
namespace {

using Layer = ChainLayer;

Tensor RowsOf(char* data, Format format, int64_t rows, int64_t heads, int64_t row_stride) {
  return Tensor(data, format, 1, rows, heads, Layer::kHeadDim, rows * row_stride, row_stride, Layer::kHeadDim);
}

}  // namespace

Tensor ChainJob::input(const ChainOperand& o) const {
  return o.heads == 0 ? Tensor() : RowsOf(o.in, c.formats.in, c.tokens, o.heads, o.in_row);
}

Tensor ChainJob::output(const ChainOperand& o) const {
  if (o.heads == 0) return {};
  const int64_t row = o.heads * Layer::kHeadDim;
  if (!o.in_cache) return RowsOf(o.out, o.out_format, c.tokens, o.heads, row);
  return with_slots(RowsOf(out_base(o), o.out_format, cache_rows, o.heads, row), slots, 1, c.tokens);
}

char* ChainJob::out_base(const ChainOperand& o) const {
  return o.in_cache ? o.out - size_of(o.out_format, Layer::kFirstSlot * o.heads * Layer::kHeadDim) : o.out;
}

ChainStage::ChainStage(const ChainCase& c) : activations_(c.formats.in) {
  job_.c = c;
  job_.cache_rows = Layer::kFirstSlot + c.tokens + 8;
  for (int64_t t = 0; t < c.tokens; ++t) slots_.push_back(Layer::kFirstSlot + t);
  job_.slots = slots_.data();

  const int64_t kv_heads = Layer::kKvHeads;
  const int64_t heads[] = {Layer::kQHeads, kv_heads, c.chain.writes ? kv_heads : 0};
  const int64_t all = (heads[0] + heads[1] + heads[2]) * Layer::kHeadDim;
  if (c.chain.splits) in_[0] = Buffer(static_cast<size_t>(size_of(c.formats.in, c.tokens * all)));
  int64_t before = 0;
  ChainOperand* const operands[] = {&job_.q, &job_.k, &job_.v};
  for (int i = 0; i < 3; ++i) {
    ChainOperand& o = *operands[i];
    o.heads = heads[i];
    if (o.heads == 0) continue;
    const int64_t row = o.heads * Layer::kHeadDim;
    o.in_row = c.chain.splits ? all : row;
    if (!c.chain.splits) in_[i] = Buffer(static_cast<size_t>(size_of(c.formats.in, c.tokens * row)));
    o.in = c.chain.splits ? in_[0].data() + size_of(c.formats.in, before) : in_[i].data();
    before += row;
    o.in_cache = c.chain.writes && i > 0;
    o.out_format = i == 0 ? c.formats.in : c.formats.cache;
    const int64_t rows = o.in_cache ? job_.cache_rows : c.tokens;
    out_[i] = Buffer(static_cast<size_t>(size_of(o.out_format, rows * row)));
    o.out = out_[i].data() + (o.in_cache ? size_of(o.out_format, Layer::kFirstSlot * row) : 0);
  }

  for (int64_t t = 0; t < c.tokens; ++t) {
    for (int64_t i = 0; i < Layer::kPairs; ++i) {
      const double inv_freq = std::pow(Layer::kTheta, -static_cast<double>(i) / static_cast<double>(Layer::kPairs));
      const double angle = static_cast<double>(Layer::kFirstPosition + t) * inv_freq;
      cos_.push_back(static_cast<float>(std::cos(angle)));
      sin_.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  job_.cos = cos_.data();
  job_.sin = sin_.data();

  const int64_t weight_bytes = size_of(c.formats.in, Layer::kHeadDim);
  weights_.resize(static_cast<size_t>(2 * weight_bytes));
  StoreAll(weights_.data(), c.formats.in, 2 * Layer::kHeadDim,
           [](int64_t i) { return 0.5 + 0.0625 * static_cast<double>(i % 16); });
  job_.q_weight = weights_.data();
  job_.k_weight = weights_.data() + weight_bytes;
}

void ChainStage::Refill() {
  const ChainCase& c = job_.c;
  for (const ChainOperand* o : {&job_.q, &job_.k, &job_.v}) {
    if (o->heads == 0) continue;
    const int64_t row = o->heads * Layer::kHeadDim;
    if (!c.chain.splits) activations_.Fill(o->in, c.tokens * row);
    std::memset(o->out, 0, static_cast<size_t>(size_of(o->out_format, c.tokens * row)));
  }
  const int64_t all = (job_.q.heads + job_.k.heads + job_.v.heads) * Layer::kHeadDim;
  if (c.chain.splits) activations_.Fill(job_.q.in, c.tokens * all);
}

std::string ChainStage::Check(double tolerance) const {
  namespace ref = simdrope::reference;
  Config config(static_cast<int>(Layer::kHeadDim), Layer::kTheta);
  ref::Job job;
  job.in = QKV(job_.input(job_.q), job_.input(job_.k), job_.input(job_.v));
  job.out = QKV(job_.output(job_.q), job_.output(job_.k), job_.output(job_.v));
  job.SetWindow(static_cast<int>(Layer::kHeadDim), 0, half);
  const Positions positions(Layer::kFirstPosition);
  job.row = ref::RowsOfRope(config, ref::FrequenciesOf(config), positions);
  if (job_.c.chain.norms) {
    job.q.norm = rms_norm(job_.q_weight, job_.c.formats.in, Layer::kEps);
    job.k.norm = rms_norm(job_.k_weight, job_.c.formats.in, Layer::kEps);
  }
  ref::Comparison comparison;
  const int64_t step = std::max<int64_t>(1, job_.c.tokens / 7);
  for (int64_t t = 0; t < job_.c.tokens; t += step) {
    for (const ref::Operand operand : ref::kOperands) {
      if (!job.has(operand)) continue;
      ref::Token expected = ref::ExpectedToken(job, operand, 0, t);
      for (ref::Head& head : expected) {
        double squares = 0;
        for (const ref::Element& e : head) squares += e.value * e.value;
        const double size = std::sqrt(squares / static_cast<double>(head.size()));
        for (ref::Element& e : head) e.error = std::max(e.error, tolerance * size);
      }
      ref::CompareToken(job, operand, 0, t, expected, &comparison);
    }
  }
  return comparison.first_wrong;
}

}  // namespace simdrope::bench
