#include "support/reference.h"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "support/formats.h"

namespace testing {
namespace {

int64_t compared_elements = 0;

struct Place {
  int x;
  int y;
};

Place PlaceOf(const Job& job, simdrope_pairing pairing, int pair) {
  if (pairing == SIMDROPE_INTERLEAVED) return {job.rotary_offset + 2 * pair, job.rotary_offset + 2 * pair + 1};
  return {job.rotary_offset + pair, job.rotary_offset + job.split + pair};
}

// What an element of the output should be.
struct Expected {
  double value = 0;
  double bound = 0;   // before the rounding to the output type
  bool exact = true;  // a copy without a scale: the rounded value, nothing else
  bool written = true;
  bool may_overflow = false;  // a product alone exceeds float
};

bool Overflows(double value) { return std::isfinite(value) && value >= MaxFinite(simdrope::f32); }

std::vector<double> HeadOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h) {
  std::vector<double> head(static_cast<size_t>(t.head_dim));
  for (int64_t d = 0; d < t.head_dim; ++d) head[static_cast<size_t>(d)] = ValueOf(t, b, s, h, d);
  return head;
}

class Expectation {
 public:
  Expectation(const Job& job, const simdrope_tensor& in, bool rotated, bool key)
      : job_(job), in_(in), rotated_(rotated), key_(key) {}

  std::vector<Expected> OfHead(int64_t b, int64_t s, int64_t h) {
    const std::vector<double> head = HeadOf(in_, b, s, h);
    if (b != row_b_ || s != row_s_) row_ = job_.row(key_, row_b_ = b, row_s_ = s);
    const double scale = rotated_ && !key_ ? job_.q_scale * row_.query_scale : 1;
    // query_scale is a rounded float, its product with q_scale too, and that with cos as well.
    const double scale_error = scale == 1 ? 0 : 3 * kU;

    std::vector<Expected> expected(head.size());
    for (size_t d = 0; d < head.size(); ++d) {
      Expected& e = expected[d];
      e.value = head[d] * scale;
      e.exact = scale == 1;
      e.bound = e.exact ? 0 : std::fabs(e.value) * (kU + scale_error) + 2 * LeastSubnormal(simdrope::f32);
      e.written = row_.action != Action::kSkip;
    }
    if (!rotated_ || row_.action != Action::kRotate) return expected;

    std::vector<double> rotated = head;
    RotateHead(job_, row_, head, &rotated);
    for (int i = 0; i < job_.rotary_dim / 2; ++i) {
      const Place from = PlaceOf(job_, job_.pairing, i);
      const Place to = PlaceOf(job_, job_.output_pairing, i);
      const double x = std::fabs(head[static_cast<size_t>(from.x)]) * std::fabs(scale);
      const double y = std::fabs(head[static_cast<size_t>(from.y)]) * std::fabs(scale);
      const double c = std::fabs(row_.cos[static_cast<size_t>(i)]);
      const double s_ = std::fabs(row_.sin[static_cast<size_t>(i)]);
      const auto set = [&](int d, double one, double other) {
        const double products = one + other;
        Expected& e = expected[static_cast<size_t>(d)];
        e.value = rotated[static_cast<size_t>(d)] * scale;
        e.exact = false;
        e.bound = (2 * kU * (1 + 2 * kU) + job_.row_error + scale_error) * products + job_.row_floor * (x + y) +
                  3 * LeastSubnormal(simdrope::f32);
        e.may_overflow = Overflows(one) || Overflows(other) || Overflows(products);
      };
      set(to.x, x * c, y * s_);
      set(to.y, y * c, x * s_);
    }
    return expected;
  }

 private:
  const Job& job_;
  simdrope_tensor in_;
  bool rotated_;
  bool key_;
  int64_t row_b_ = -1;
  int64_t row_s_ = -1;
  Row row_;
};

bool IsWithin(const Expected& e, double got, Format format) {
  if (std::isnan(e.value)) return std::isnan(got) || (e.may_overflow && std::isinf(got));
  if (e.exact) return got == Rounded(e.value, format) && std::signbit(got) == std::signbit(e.value);
  if (std::isinf(e.value)) return got == e.value || (e.may_overflow && std::isnan(got));
  if (e.may_overflow && !std::isfinite(got)) return true;
  const double reach = std::fabs(e.value) + e.bound;
  if (std::isinf(got)) {
    return reach >= MaxFinite(format) + UlpAt(MaxFinite(format), format) / 2 && (got > 0) == (e.value > 0);
  }
  const double rounding = format == simdrope::f32 ? 0 : UlpAt(Rounded(reach, format), format) / 2;
  return std::fabs(got - e.value) <= e.bound + rounding;
}

struct Stream {
  const char* name;
  const simdrope_tensor* in;
  const simdrope_tensor* out;
  bool rotated;
  bool key;
  std::vector<Expected> expected;
};

std::vector<Stream> StreamsOf(const Job& job) {
  std::vector<Stream> streams;
  const auto add = [&](const char* name, const simdrope_tensor& in, const simdrope_tensor& out, bool rotated,
                       bool key) {
    if (in.heads == 0 || out.heads == 0) return;
    streams.push_back({name, &in, &out, rotated, key, {}});
    Expectation expectation(job, in, rotated, key);
    ForHeads(in, [&](int64_t b, int64_t s, int64_t h) {
      for (const Expected& e : expectation.OfHead(b, s, h)) streams.back().expected.push_back(e);
    });
  };
  add("q", job.in.q, job.out.q, true, false);
  add("k", job.in.k, job.out.k, true, true);
  add("v", job.in.v, job.out.v, false, true);
  return streams;
}

std::string Describe(const Stream& stream, int64_t b, int64_t s, int64_t h, int64_t d, const Expected& e, double got) {
  char text[256];
  std::snprintf(text, sizeof(text), "%s[%lld, %lld, %lld, %lld] = %.9g, expected %.12g +- %.3g (%s to %s)%s",
                stream.name, static_cast<long long>(b), static_cast<long long>(s), static_cast<long long>(h),
                static_cast<long long>(d), got, e.value, e.bound, NameOf(stream.in->format), NameOf(stream.out->format),
                e.exact ? ", exactly" : "");
  return text;
}

// Compares one tensor and marks the bytes that it was allowed to write.
std::string Compare(const Stream& stream, const std::vector<Buffer*>& buffers,
                    std::vector<std::vector<char>>* writable) {
  const simdrope_tensor& out = *stream.out;
  const int64_t size = simdrope::size_of(out.format);
  std::string mismatch;
  size_t next = 0;
  ForHeads(out, [&](int64_t b, int64_t s, int64_t h) {
    for (int64_t d = 0; d < out.head_dim; ++d) {
      const Expected& e = stream.expected[next++];
      if (!e.written) continue;
      const char* at = static_cast<const char*>(ElementOf(out, b, s, h, d));
      for (size_t i = 0; i < buffers.size(); ++i) {
        const ptrdiff_t offset = at - buffers[i]->data();
        if (offset < 0 || offset + size > static_cast<ptrdiff_t>(buffers[i]->size())) continue;
        std::memset((*writable)[i].data() + offset, 1, static_cast<size_t>(size));
      }
      ++compared_elements;
      const double got = Load(at, out.format);
      if (mismatch.empty() && !IsWithin(e, got, out.format)) mismatch = Describe(stream, b, s, h, d, e, got);
    }
  });
  return mismatch;
}

double Special(Format format, Random* random) {
  const double sign = random->Chance(2) ? -1 : 1;
  switch (random->Int(0, 7)) {
    case 0: return sign * INFINITY;
    case 1: return std::copysign(NAN, sign);
    case 2: return sign * 0.0;
    case 3: return sign * MaxFinite(format);
    case 4: return sign * LeastSubnormal(format);
    case 5: return sign * LeastNormal(format);
    default: return sign * random->Real(0.0625, 2);
  }
}

double InputOf(Inputs inputs, Format format, Random* random) {
  const double sign = random->Chance(2) ? -1 : 1;
  switch (inputs) {
    case Inputs::kTame:
    case Inputs::kCancelling: return sign * random->Real(0.0625, 2);
    case Inputs::kWide: {
      const double least = std::log2(LeastSubnormal(format)), greatest = std::log2(MaxFinite(format));
      return sign * std::exp2(random->Real(least, greatest));
    }
    case Inputs::kSubnormal:
      return sign * LeastSubnormal(format) *
             static_cast<double>(random->Int(0, static_cast<int64_t>(LeastNormal(format) / LeastSubnormal(format))));
    case Inputs::kSpecial: return Special(format, random);
  }
  return 0;
}

// Makes one result of each pair as small as rounding y to the type allows.
void Cancel(const Job& job, const simdrope_tensor& t, bool key) {
  ForHeads(t, [&](int64_t b, int64_t s, int64_t h) {
    const Row row = job.row(key, b, s);
    if (row.action != Action::kRotate) return;
    for (int i = 0; i < job.rotary_dim / 2; ++i) {
      const Place place = PlaceOf(job, job.pairing, i);
      const double c = row.cos[static_cast<size_t>(i)];
      const double sin = (job.inverse ? -1 : 1) * row.sin[static_cast<size_t>(i)];
      const double x = ValueOf(t, b, s, h, place.x);
      const double y = i % 2 == 0 ? x * c / sin : -x * sin / c;
      if (std::fabs(y) < MaxFinite(t.format)) Store(y, t.format, ElementOf(t, b, s, h, place.y));
    }
  });
}

}  // namespace

Row RowAt(const std::vector<double>& inv_freq, const std::vector<double>& positions, double magnitude) {
  Row row;
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    const long double angle = static_cast<long double>(positions[i]) * inv_freq[i];
    row.cos.push_back(static_cast<double>(std::cos(angle) * magnitude));
    row.sin.push_back(static_cast<double>(std::sin(angle) * magnitude));
  }
  return row;
}

Row RowAt(const std::vector<double>& inv_freq, double position, double magnitude) {
  return RowAt(inv_freq, std::vector<double>(inv_freq.size(), position), magnitude);
}

void Job::SetWindow(int dim, int offset, simdrope_pairing in_pairing) {
  rotary_dim = dim;
  rotary_offset = offset;
  split = dim / 2;
  pairing = output_pairing = in_pairing;
}

void RotateHead(const Job& job, const Row& row, const std::vector<double>& in, std::vector<double>* out) {
  for (int i = 0; i < job.rotary_dim / 2; ++i) {
    const size_t pair = static_cast<size_t>(i);
    const Place from = PlaceOf(job, job.pairing, i), to = PlaceOf(job, job.output_pairing, i);
    const double x = in[static_cast<size_t>(from.x)], y = in[static_cast<size_t>(from.y)];
    const double c = row.cos[pair], s = job.inverse ? -row.sin[pair] : row.sin[pair];
    (*out)[static_cast<size_t>(to.x)] = x * c - y * s;
    (*out)[static_cast<size_t>(to.y)] = y * c + x * s;
  }
}

void* ElementOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d) {
  const int64_t index = b * t.batch_stride + s * t.seq_stride + h * t.head_stride + d;
  return static_cast<char*>(t.data) + index * simdrope::size_of(t.format);
}

double ValueOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d) {
  return Load(ElementOf(t, b, s, h, d), t.format);
}

void FillInputs(const Job& job, Inputs inputs, Random* random) {
  for (const simdrope_tensor* t : {&job.in.q, &job.in.k, &job.in.v}) {
    ForHeads(*t, [&](int64_t b, int64_t s, int64_t h) {
      for (int64_t d = 0; d < t->head_dim; ++d) {
        Store(InputOf(inputs, t->format, random), t->format, ElementOf(*t, b, s, h, d));
      }
    });
  }
  if (inputs != Inputs::kCancelling) return;
  Cancel(job, job.in.q, false);
  Cancel(job, job.in.k, true);
}

std::string CheckJob(const Job& job, const std::vector<Buffer*>& buffers,
                     const std::function<simdrope::Status()>& run) {
  const std::vector<Stream> streams = StreamsOf(job);
  std::vector<std::vector<char>> before, writable;
  for (const Buffer* buffer : buffers) {
    before.push_back(buffer->Bytes());
    writable.emplace_back(buffer->size(), '\0');
  }
  const simdrope::Status status = run();
  if (!status) return "failed: " + status.message();
  for (const Stream& stream : streams) {
    const std::string mismatch = Compare(stream, buffers, &writable);
    if (!mismatch.empty()) return mismatch;
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (!buffers[i]->GuardsIntact()) return "guard bytes of buffer " + std::to_string(i) + " were written";
    for (size_t byte = 0; byte < before[i].size(); ++byte) {
      if (writable[i][byte] == 0 && buffers[i]->data()[byte] != before[i][byte]) {
        return "byte " + std::to_string(byte) + " of buffer " + std::to_string(i) + " was written";
      }
    }
  }
  return "";
}

void UnifyNaNs(const simdrope::QKV& tensors) {
  for (const simdrope_tensor* t : {&tensors.q, &tensors.k, &tensors.v}) {
    ForHeads(*t, [&](int64_t b, int64_t s, int64_t h) {
      for (int64_t d = 0; d < t->head_dim; ++d) {
        if (std::isnan(ValueOf(*t, b, s, h, d))) Store(NAN, t->format, ElementOf(*t, b, s, h, d));
      }
    });
  }
}

int64_t ComparedElements() { return compared_elements; }

}  // namespace testing
