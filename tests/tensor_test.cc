// Layout makers, and which overlaps of inputs and outputs are allowed.
#include <algorithm>
#include <iterator>

#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

using simdrope::QKV;
using simdrope::Tensor;

simdrope::Status Apply(const QKV& in, const QKV& out) {
  const auto rope = simdrope::Rope::create(simdrope::Config(8));
  REQUIRE(rope.ok());
  return simdrope::apply(rope->stream(), in, out);
}

void CheckRefused(const QKV& in, const QKV& out, const char* says) {
  const simdrope::Status status = Apply(in, out);
  CHECK(status.code() == SIMDROPE_INVALID_ARGUMENT);
  const bool said = status.message().find(says) != std::string::npos;
  CHECK_MESSAGE(said, status.message(), " does not say ", says);
}

}  // namespace

TEST_CASE("makers place elements where their names say") {
  std::vector<float> data(2 * 3 * 4 * 6);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
  const auto at = [](const Tensor& t, int64_t b, int64_t s, int64_t h, int64_t d) {
    return static_cast<int64_t>(ValueOf(t, b, s, h, d));
  };
  const Tensor bshd = simdrope::bshd(data.data(), 2, 3, 4, 6);
  const Tensor bhsd = simdrope::bhsd(data.data(), 2, 3, 4, 6);
  const Tensor thd = simdrope::thd(data.data(), 6, 4, 6);
  CHECK(at(bshd, 1, 2, 3, 5) == ((1 * 3 + 2) * 4 + 3) * 6 + 5);
  CHECK(at(bhsd, 1, 2, 3, 5) == ((1 * 4 + 3) * 3 + 2) * 6 + 5);
  CHECK(at(thd, 0, 5, 3, 5) == (5 * 4 + 3) * 6 + 5);
  CHECK(thd.batch == 1);
  CHECK(thd.seq == 6);

  const QKV packed = simdrope::packed_qkv(simdrope::bshd(data.data(), 2, 3, 4, 6), 2, 1);
  CHECK(packed.q.heads == 2);
  CHECK(packed.k.heads == 1);
  CHECK(packed.v.heads == 1);
  CHECK(static_cast<int64_t>(ValueOf(packed.k, 1, 2, 0, 0)) == ((1 * 3 + 2) * 4 + 2) * 6);
  CHECK(static_cast<int64_t>(ValueOf(packed.v, 1, 2, 0, 5)) == ((1 * 3 + 2) * 4 + 3) * 6 + 5);

  const QKV kv = simdrope::packed_kv(simdrope::bshd(data.data(), 2, 3, 4, 6));
  CHECK(kv.q.heads == 0);
  CHECK(kv.k.heads == 2);
  CHECK(static_cast<int64_t>(ValueOf(kv.v, 0, 1, 1, 2)) == (1 * 4 + 3) * 6 + 2);

  const Tensor cache = simdrope::with_slots_by_position(bhsd, 1);
  CHECK(cache.slots.source == SIMDROPE_SLOTS_POSITIONS);
  CHECK(cache.slots.batch == 2);
  CHECK(cache.slots.seq == 1);

  std::vector<uint16_t> halves(64);
  const Tensor some = simdrope::heads(simdrope::thd(halves.data(), simdrope::bf16, 2, 4, 8), 1, 2);
  CHECK(some.data == halves.data() + 8);
  CHECK(some.heads == 2);
}

TEST_CASE("in place and disjoint tensors are accepted") {
  std::vector<float> data(1000), other(1000);
  const Tensor q = simdrope::bshd(data.data(), 1, 4, 2, 8);
  CHECK(Apply(q, q).ok());
  CHECK(Apply(q, Tensor(simdrope::bshd(other.data(), 1, 4, 2, 8))).ok());
  // Right behind one another.
  CHECK(Apply(q, Tensor(simdrope::bshd(data.data() + 64, 1, 4, 2, 8))).ok());
  // Strides of axes of size 1 do not matter.
  Tensor same = q;
  same.batch_stride = 12345;
  CHECK(Apply(q, same).ok());
}

TEST_CASE("slices of one packed tensor are apart, whatever the order of their axes") {
  std::vector<float> data(2 * 3 * 12 * 8);
  for (const bool heads_first : {false, true}) {
    const Tensor all =
        heads_first ? simdrope::bhsd(data.data(), 2, 3, 12, 8) : simdrope::bshd(data.data(), 2, 3, 12, 8);
    // q from heads 0-2 to 6-8, k from 3-4 to 9-10: interleaved in memory, yet disjoint.
    const QKV in(simdrope::heads(all, 0, 3), simdrope::heads(all, 3, 2));
    const QKV out(simdrope::heads(all, 6, 3), simdrope::heads(all, 9, 2));
    CHECK(Apply(in, out).ok());
    CHECK(Apply(in, in).ok());
    CheckRefused(in, QKV(simdrope::heads(all, 1, 3), simdrope::heads(all, 9, 2)), "overlap");
    CheckRefused(in, QKV(simdrope::heads(all, 6, 3), simdrope::heads(all, 8, 2)), "overlap");
  }
}

TEST_CASE("partial overlap is refused, by name") {
  std::vector<float> data(4096);
  const Tensor q = simdrope::bshd(data.data() + 512, 1, 4, 2, 8);
  for (const int64_t shift : {1, 8, 16, 63}) {
    CheckRefused(q, Tensor(simdrope::bshd(data.data() + 512 + shift, 1, 4, 2, 8)), "in.q and out.q overlap");
    CheckRefused(q, Tensor(simdrope::bshd(data.data() + 512 - shift, 1, 4, 2, 8)), "in.q and out.q overlap");
  }
  // The same memory with other strides, or as another type.
  CheckRefused(q, Tensor(simdrope::bhsd(data.data() + 512, 1, 4, 2, 8)), "overlap");
  CheckRefused(q, Tensor(simdrope::bshd(data.data() + 512, simdrope::f16, 1, 4, 2, 8)), "overlap");
  // Q and K write the same bytes, or K's output is Q's input.
  const Tensor far = simdrope::bshd(data.data() + 2048, 1, 4, 2, 8);
  CheckRefused(QKV(q, far), QKV(far, far), "overlap");
  CheckRefused(QKV(q, q), QKV(q, far), "overlap");
}

TEST_CASE("an output whose own elements overlap is refused; broadcasting an input is not") {
  std::vector<float> data(4096), out(4096);
  const Tensor good = simdrope::bshd(out.data(), 2, 4, 2, 8);
  Tensor broadcast = simdrope::bshd(data.data(), 2, 4, 2, 8);
  broadcast.head_stride = 0;
  CHECK(Apply(broadcast, good).ok());
  broadcast.batch_stride = 0;
  CHECK(Apply(broadcast, good).ok());
  CheckRefused(broadcast, broadcast, "overlap");
  for (const int64_t stride : {0, 1, 7, -7}) {
    Tensor overlapping = good;
    overlapping.head_stride = stride;
    CheckRefused(broadcast, overlapping, "head stride");
  }
}

TEST_CASE("outputs that interlace without sharing an element are accepted") {
  std::vector<float> data(64), out(4096);
  // Heads 100 apart, tokens 40 apart: token 2 of head 0 lies between tokens 0 and 1 of head 1.
  const Tensor q = simdrope::bshd(data.data(), 1, 4, 2, 8);
  const Tensor interlaced(out.data(), simdrope::f32, 1, 4, 2, 8, 0, 40, 20);
  CHECK(Apply(q, interlaced).ok());
}

TEST_CASE("two tensors of different strides that meet further on are refused") {
  std::vector<float> data(1024);
  float* const at = data.data() + 256;
  // Tokens 16 apart beside tokens 24 apart: the second tokens meet at 32.
  const Tensor every_16(at, simdrope::f32, 1, 4, 1, 8, 0, 16, 0);
  const Tensor every_24(at + 8, simdrope::f32, 1, 4, 1, 8, 0, 24, 0);
  CheckRefused(every_16, every_24, "in.q and out.q overlap");
  CheckRefused(every_24, every_16, "in.q and out.q overlap");
  // The heads of one lie across its own tokens' stride.
  const Tensor two_heads(at, simdrope::f32, 1, 2, 2, 8, 0, 16, 24);
  const Tensor beside(at + 8, simdrope::f32, 1, 2, 2, 8, 0, 16, 64);
  CheckRefused(two_heads, beside, "in.q and out.q overlap");
  CheckRefused(beside, two_heads, "in.q and out.q overlap");
}

namespace {

// All bytes of a tensor's elements, relative to `from`; several times, where elements overlap.
std::vector<int64_t> BytesOfElements(const Tensor& t, const char* from) {
  const int64_t size = t.format == SIMDROPE_F32 ? 4 : 2;
  const int64_t base = static_cast<const char*>(t.data) - from;
  std::vector<int64_t> bytes;
  for (int64_t b = 0; b < t.batch; ++b) {
    for (int64_t s = 0; s < t.seq; ++s) {
      for (int64_t h = 0; h < t.heads; ++h) {
        const int64_t element = b * t.batch_stride + s * t.seq_stride + h * t.head_stride;
        for (int64_t i = 0; i < size * t.head_dim; ++i) bytes.push_back(base + size * element + i);
      }
    }
  }
  return bytes;
}

bool HasTwice(std::vector<int64_t> bytes) {
  std::sort(bytes.begin(), bytes.end());
  return std::adjacent_find(bytes.begin(), bytes.end()) != bytes.end();
}

bool ShareBytes(const Tensor& a, const Tensor& b, const char* from) {
  std::vector<int64_t> x = BytesOfElements(a, from), y = BytesOfElements(b, from);
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  std::vector<int64_t> both;
  std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(both));
  return !both.empty();
}

}  // namespace

TEST_CASE("drawn views: accepted only where no output shares a byte with itself or another tensor") {
  Random random(77);
  std::vector<float> data(2048);
  const char* const from = reinterpret_cast<const char*>(data.data());
  const auto draw = [&] {
    static constexpr int64_t kStrides[] = {8, 16, 24, 32, 40, 48, 64, 96, 128, -8, -16, -24, 12, 20, 0};
    const auto stride = [&] { return kStrides[random.Int(0, 14)]; };
    const Format format = random.Int(0, 3) == 0 ? simdrope::bf16 : simdrope::f32;
    const int64_t first = 768 + 4 * random.Int(0, 12);
    return Tensor(data.data() + first, format, random.Int(1, 2), random.Int(1, 3), random.Int(1, 3), 8, stride(),
                  stride(), stride());
  };
  int accepted = 0, refused = 0, needlessly = 0;
  for (int i = 0; i < 20000; ++i) {
    const Tensor in = draw();
    Tensor out = draw();
    out.batch = in.batch;
    out.seq = in.seq;
    out.heads = in.heads;
    if (random.Int(0, 15) == 0) out = in;
    const bool is_same = out.format == in.format && BytesOfElements(out, from) == BytesOfElements(in, from);
    const bool overlaps = HasTwice(BytesOfElements(out, from)) || (!is_same && ShareBytes(in, out, from));
    const bool ok = Apply(in, out).ok();
    if (overlaps && ok) {
      CAPTURE(i);
      FAIL_CHECK("an overlap is accepted");
    }
    accepted += ok ? 1 : 0;
    refused += ok ? 0 : 1;
    needlessly += !ok && !overlaps ? 1 : 0;
  }
  MESSAGE(accepted << " accepted, " << refused << " refused, of which " << needlessly << " do not overlap");
  CHECK(accepted > 2000);
  CHECK(refused > 2000);
  CHECK(needlessly * 10 < refused);
}

TEST_CASE("sizes and addresses that cannot be are refused") {
  std::vector<float> data(64);
  const Tensor good = simdrope::bshd(data.data(), 1, 4, 2, 8);
  const auto spoiled = [&](auto spoil) {
    Tensor t = good;
    spoil(t);
    return t;
  };
  CheckRefused(spoiled([](Tensor& t) { t.batch = -1; }), good, "in.q");
  CheckRefused(spoiled([](Tensor& t) { t.seq = -4; }), good, "in.q");
  CheckRefused(spoiled([](Tensor& t) { t.heads = -2; }), good, "in.q");
  CheckRefused(spoiled([](Tensor& t) { t.data = nullptr; }), good, "in.q.data is NULL");
  CheckRefused(spoiled([](Tensor& t) { t.format = static_cast<simdrope_format>(9); }), good, "in.q.format = 9");
  CheckRefused(spoiled([](Tensor& t) { t.batch = t.seq = INT64_MAX; }), good, "overflow");
  CheckRefused(spoiled([](Tensor& t) { t.seq = INT64_MAX / 128, t.seq_stride = 0; }), good, "overflow");
  CheckRefused(spoiled([](Tensor& t) { t.seq_stride = INT64_MAX; }), good, "overflows");
  CheckRefused(spoiled([](Tensor& t) { t.seq_stride = INT64_MIN; }), good, "overflows");
  CheckRefused(good, spoiled([](Tensor& t) { t.heads = 3; }), "out.q");
  CheckRefused(good, spoiled([](Tensor& t) { t.data = nullptr; }), "out.q.data is NULL");
  CheckRefused(QKV(good, spoiled([](Tensor& t) { t.seq = 3; })), QKV(good, good), "in.k");
  CheckRefused(QKV(), QKV(), "none of q, k and v");
  CheckRefused(good, QKV(), "out.q is not");
  CheckRefused(QKV(good, good), QKV(good), "out.k is not");
}

TEST_CASE("empty tensors need no data") {
  for (const auto& [batch, seq] : {std::pair{0, 4}, {2, 0}, {0, 0}}) {
    const Tensor empty = simdrope::bshd(nullptr, simdrope::bf16, batch, seq, 3, 8);
    CHECK(Apply(empty, empty).ok());
    CHECK(Apply(QKV(empty, empty, empty), QKV(empty, empty, empty)).ok());
  }
  const Tensor huge(nullptr, simdrope::f16, 1, 0, INT64_MAX / 16, 8, INT64_MIN, INT64_MAX, INT64_MAX);
  CHECK(Apply(huge, huge).ok());
}
