// Caches in every format: re-rotation in place, what successive shifts cost, a Qwen3 layer's chain into them.
#include <cmath>
#include <fstream>
#include <sstream>

#include "support.h"
#include "support/blocks.h"

using namespace testing;

namespace {

using simdrope::Config;

constexpr double kPi = 3.14159265358979323846;

simdrope::Rope RopeOf(const Config& config) {
  auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return *std::move(rope);
}

// [1, rows, heads, D] in any format, with the scales that it has.
class Cache {
 public:
  Cache(Format format, int64_t rows, int64_t heads, int64_t head_dim)
      : memory_(simdrope::size_of(format, rows * heads * head_dim)),
        scales_(static_cast<size_t>(rows * heads), 0.03f),
        zero_points_(static_cast<size_t>(rows * heads), 128.0f) {
    tensor_ = simdrope::bshd(memory_.data(), format, 1, rows, heads, head_dim);
    if (format == simdrope::f8_e4m3 || format == simdrope::f8_e5m2)
      tensor_ = simdrope::with_scale(tensor_, scales_.data());
    if (format == simdrope::i8) tensor_ = simdrope::with_scales(tensor_, scales_.data());
    if (format == simdrope::u8) tensor_ = simdrope::with_scales(tensor_, scales_.data(), zero_points_.data());
  }
  Cache(const Cache&) = delete;

  const simdrope::Tensor& tensor() const { return tensor_; }
  Buffer* memory() { return &memory_; }

  void Fill(Random* random) {
    ForHeads(tensor_, [&](int64_t b, int64_t s, int64_t h) {
      std::vector<double> values(static_cast<size_t>(tensor_.head_dim));
      for (double& value : values)
        value = Rounded((random->Chance(2) ? -1 : 1) * random->Real(0.0625, 2), simdrope::f32);
      Encode(values, HeadAt(tensor_, b, s, h));
    });
  }

 private:
  Buffer memory_;
  std::vector<float> scales_, zero_points_;
  simdrope::Tensor tensor_;
};

// cos and sin of positions[axis of pair] * inv_freq[pair], times magnitude.
RowOfToken RowsAt(const std::vector<double>& inv_freq, const std::vector<uint8_t>& axis,
                  const std::vector<std::vector<int64_t>>& positions, double magnitude) {
  return [=](bool, int64_t, int64_t s) {
    std::vector<double> on_pairs;
    Row row;
    for (size_t i = 0; i < inv_freq.size(); ++i) {
      const int64_t p = positions[axis[i]][static_cast<size_t>(s)];
      const CosSinValues values = ExactCosSin(At(p), inv_freq[i]);
      row.cos.push_back(values.cos * magnitude);
      row.sin.push_back(values.sin * magnitude);
      // A difference of two frequencies is a rounded double.
      row.floor.push_back(std::fabs(static_cast<double>(p)) * inv_freq[i] * 0x1p-52 + 0x1p-60);
    }
    return row;
  };
}

std::vector<double> InvFreqOf(const simdrope::Rope& rope) {
  const simdrope_rope_info info = rope.info();
  return {info.inv_freq, info.inv_freq + info.pairs};
}
std::vector<uint8_t> AxesOf(const simdrope::Rope& rope) {
  const simdrope_rope_info info = rope.info();
  return {info.pair_axis, info.pair_axis + info.pairs};
}

struct Turn {
  const char* name;
  simdrope::Rope rope;  // the re-rotation
  std::vector<double> inv_freq;
  std::vector<uint8_t> axis;
  double magnitude;
};

// A shift, and from one set of frequencies to another, of half and interleaved pairs, a part of the head, three axes.
std::vector<Turn> Turns() {
  std::vector<Turn> turns;
  const auto add_shift = [&](const char* name, const Config& config) {
    const simdrope::Rope rope = RopeOf(config);
    auto shift = rope.shift();
    REQUIRE_MESSAGE(shift.ok(), shift.status().message());
    turns.push_back({name, *std::move(shift), InvFreqOf(rope), AxesOf(rope), 1});
  };
  Config config(64, 5e5);
  add_shift("half pairs", config);
  config.pairing = simdrope::interleaved;
  add_shift("interleaved pairs", config);
  config.rotary_dim = 32;
  config.rotary_offset = 16;
  add_shift("a window", config);
  for (const simdrope_axis_layout layout : {SIMDROPE_AXES_SECTIONS, SIMDROPE_AXES_INTERLEAVED}) {
    Config axes(64, 1e6);
    axes.axes.count = 3;
    axes.axes.layout = layout;
    axes.axes.sections[0] = 12;
    axes.axes.sections[1] = axes.axes.sections[2] = 10;
    add_shift("three axes", axes);
  }
  Config from(64), to(64);
  std::vector<double> shorts, longs;
  for (int i = 0; i < 32; ++i) {
    shorts.push_back(1 + 0.05 * i);
    longs.push_back(1.5 + 0.5 * i);
  }
  for (Config* c : {&from, &to}) {
    c->scaling.type = SIMDROPE_SCALING_LONGROPE;
    c->scaling.factor = 8;
    c->scaling.original_max_position = 4096;
    c->set_factors(shorts);
    c->set_long_factors(longs);
    c->scaling.short_mscale = 1.1;
    c->scaling.long_mscale = 1.3;
  }
  to.scaling.seq_len = 4097;
  const simdrope::Rope a = RopeOf(from), b = RopeOf(to);
  auto turn = a.rerotation(b);
  REQUIRE_MESSAGE(turn.ok(), turn.status().message());
  std::vector<double> difference = InvFreqOf(b);
  for (size_t i = 0; i < difference.size(); ++i) difference[i] -= InvFreqOf(a)[i];
  turns.push_back({"LongRoPE's switch", *std::move(turn), difference, AxesOf(b),
                   b.info().attention_factor / a.info().attention_factor});
  return turns;
}

}  // namespace

TEST_CASE("re-rotation in place, of every format, pairing and axes, through a Hadamard transform or not") {
  constexpr int64_t kTokens = 5;
  Random random(91);
  int cases = 0;
  const int64_t before = ComparedElements();
  for (const Turn& turn : Turns()) {
    for (const Format format : kAllFormats) {
      for (const int32_t hadamard : {0, 64}) {
        CAPTURE(turn.name);
        CAPTURE(NameOf(format));
        CAPTURE(hadamard);
        std::vector<std::vector<int64_t>> positions(3);
        std::vector<int64_t> ids;
        const int axes = turn.rope.info().axes;
        for (int axis = 0; axis < 3; ++axis) {
          for (int64_t t = 0; t < kTokens; ++t) positions[static_cast<size_t>(axis)].push_back(random.Int(-700, 5000));
          if (axis < axes)
            ids.insert(ids.end(), positions[static_cast<size_t>(axis)].begin(),
                       positions[static_cast<size_t>(axis)].end());
        }
        Cache cache(format, kTokens, 3, 64);
        cache.Fill(&random);
        Job job;
        job.in = job.out = simdrope::QKV(simdrope::Tensor(), cache.tensor());
        job.window = Window::Of(turn.rope.info());
        job.row = RowsAt(turn.inv_freq, turn.axis, positions, turn.magnitude);
        simdrope::Options options;
        options.k.input_hadamard = options.k.hadamard = hadamard;
        job.SetOptions(options);
        const simdrope::CosSinView rows =
            turn.rope.stream(simdrope::Positions::per_token(ids.data(), axes, 1, kTokens));
        const std::string mismatch = CheckJob(job, {cache.memory()}, [&] {
          return simdrope::Status::of(simdrope_apply(&rows, &job.in, nullptr, &options));
        });
        CHECK(mismatch == "");
        ++cases;
      }
    }
  }
  CHECK(cases == 6 * 9 * 2);
  CHECK(ComparedElements() - before == cases * kTokens * 3 * 64);
}

namespace {

// Half a step of the format, relative to the longest pair of a head (bounded elementwise by it), and what is absolute.
struct Rounding {
  double relative;
  double absolute;
};
Rounding RoundingOf(Format format) {
  switch (format) {
    case SIMDROPE_F32: return {0x1p-24, 0};
    case SIMDROPE_F16: return {0x1p-11, 0x1p-25};
    case SIMDROPE_BF16: return {0x1p-8, 0};
    case SIMDROPE_F8_E4M3: return {0x1p-4, 0.03 * 0x1p-10};
    case SIMDROPE_F8_E5M2: return {0x1p-3, 0.03 * 0x1p-17};
    case SIMDROPE_I8: return {0.5 / 127, 0};
    case SIMDROPE_U8: return {1.0 / 255, 1e-4};  // the range is at most twice the greatest element
    case SIMDROPE_Q8_0: return {0.5 / 127 + 0x1p-11, 0x1p-18};
    case SIMDROPE_Q4_0: return {1.0 / 8 + 0x1p-11, 0x1p-22};
  }
  return {};
}

}  // namespace

// A pair that is off by e is off by e after a rotation, too; storing it again moves each element by half a step. So
// with R the longest pair of a head and E the most that a pair is off: E' = E + sqrt(2) (step (R + E) + float's share).
TEST_CASE("k successive shifts are off by k + 1 roundings at most; one from the true position by two") {
  constexpr int64_t kTokens = 32, kHeads = 2, kHeadDim = 128, kPosition = 1000, kDelta = -3;
  const Config config(kHeadDim, 1e6);
  const simdrope::Rope rope = RopeOf(config);
  const auto shift = rope.shift();
  REQUIRE(shift.ok());
  Random random(92);
  std::vector<float> keys(kTokens * kHeads * kHeadDim);
  for (float& key : keys) {  // normal
    const double u = random.Real(1e-9, 1), angle = 2 * kPi * random.Real(0, 1);
    key = static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(angle));
  }
  const std::vector<double> inv_freq = InvFreqOf(rope);
  // Off by how much, in the root mean square, relative to the keys; and whether any pair is off by more than `most`.
  const auto error_of = [&](const Cache& cache, int64_t position, double most) {
    double squares = 0, all = 0, worst = 0;
    ForHeads(cache.tensor(), [&](int64_t b, int64_t s, int64_t h) {
      const std::vector<double> got = Decode(HeadAt(cache.tensor(), b, s, h));
      const float* key = keys.data() + (s * kHeads + h) * kHeadDim;
      double longest = 0;
      std::vector<double> off;
      for (int i = 0; i < kHeadDim / 2; ++i) {
        const CosSinValues turn = ExactCosSin(At(position), inv_freq[static_cast<size_t>(i)]);
        const double x = static_cast<double>(key[i]), y = static_cast<double>(key[i + kHeadDim / 2]);
        const double dx = got[static_cast<size_t>(i)] - (x * turn.cos - y * turn.sin);
        const double dy = got[static_cast<size_t>(i + kHeadDim / 2)] - (y * turn.cos + x * turn.sin);
        squares += dx * dx + dy * dy;
        all += x * x + y * y;
        off.push_back(std::hypot(dx, dy));
        longest = std::fmax(longest, std::hypot(x, y));
      }
      for (const double one : off) worst = std::fmax(worst, one / longest);
    });
    CHECK(worst <= most);
    return std::sqrt(squares / all);
  };

  const simdrope::Tensor in = simdrope::bshd(keys.data(), 1, kTokens, kHeads, kHeadDim);
  int measured = 0;
  for (const Format format : kAllFormats) {
    CAPTURE(NameOf(format));
    const Rounding step = RoundingOf(format);
    const auto after_store = [&](double error) {  // relative to the longest pair, which is above 1
      return error + std::sqrt(2.0) * ((step.relative + 4 * kU) * (1 + error) + step.absolute + 8 * kU);
    };
    Cache cache(format, kTokens, kHeads, kHeadDim);
    // All tokens at one position: a cache shifted k times is at kPosition + k * kDelta.
    const int64_t at = kPosition, by = kDelta;
    const simdrope::QKV key(simdrope::Tensor(), in), stored(simdrope::Tensor(), cache.tensor());
    REQUIRE(simdrope::apply(rope.stream(simdrope::Positions::constant(&at)), key, stored).ok());
    double most = after_store(0);
    std::string line = std::string(NameOf(format)) + ": stored " + std::to_string(error_of(cache, kPosition, most));
    for (int k = 1; k <= 64; ++k) {
      REQUIRE(simdrope::apply(shift->stream(simdrope::Positions::constant(&by)), stored).ok());
      most = after_store(most);
      if ((k & (k - 1)) != 0) continue;
      line += ", " + std::to_string(k) + " " + std::to_string(error_of(cache, kPosition + k * kDelta, most));
      ++measured;
    }
    // From keys stored unrotated, at the position that k shifts come to: two roundings, whatever k.
    Cache unrotated(format, kTokens, kHeads, kHeadDim), turned(format, kTokens, kHeads, kHeadDim);
    const simdrope::QKV values(simdrope::Tensor(), simdrope::Tensor(), in);
    const simdrope::QKV kept(simdrope::Tensor(), simdrope::Tensor(), unrotated.tensor());
    simdrope::Options options;
    REQUIRE(simdrope_apply(nullptr, &values, &kept, &options) == SIMDROPE_OK);
    const int64_t then = kPosition + 64 * kDelta;
    REQUIRE(simdrope::apply(rope.stream(simdrope::Positions::constant(&then)),
                            simdrope::QKV(simdrope::Tensor(), unrotated.tensor()),
                            simdrope::QKV(simdrope::Tensor(), turned.tensor()))
                .ok());
    line += "; 64 from the true position " + std::to_string(error_of(turned, then, after_store(after_store(0))));
    MESSAGE("relative error, root mean square: ", line);
  }
  CHECK(measured == 9 * 7);
}

TEST_CASE("a Qwen3 layer: 32 + 8 heads of 128, norms, f16 and q8_0 caches, by slot") {
  constexpr int64_t kTokens = 7, kQHeads = 32, kKvHeads = 8, kHeadDim = 128, kRows = 24;
  Random random(93);
  const auto draw = [&](int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = static_cast<float>((random.Chance(2) ? -1 : 1) * random.Real(0.0625, 2));
    return values;
  };
  std::vector<float> q_weight = draw(kHeadDim), k_weight = draw(kHeadDim);
  std::vector<float> qkv = draw(kTokens * (kQHeads + 2 * kKvHeads) * kHeadDim);
  const int64_t slots[kTokens] = {17, 3, -1, 23, 0, 4, 9};
  const Config config(kHeadDim, 1e6);
  const simdrope::Rope rope = RopeOf(config);
  const simdrope::Positions positions(40000);
  for (const Format format : {simdrope::f16, simdrope::q8_0}) {
    CAPTURE(NameOf(format));
    Buffer q_out(kTokens * kQHeads * kHeadDim * 4);
    Cache k_cache(format, kRows, kKvHeads, kHeadDim), v_cache(format, kRows, kKvHeads, kHeadDim);
    Job job;
    job.in = simdrope::packed_qkv(simdrope::bshd(qkv.data(), 1, kTokens, kQHeads + 2 * kKvHeads, kHeadDim), kQHeads,
                                  kKvHeads);
    job.out = simdrope::QKV(simdrope::bshd(q_out.data(), simdrope::f32, 1, kTokens, kQHeads, kHeadDim),
                            simdrope::with_slots(k_cache.tensor(), slots, 1, kTokens),
                            simdrope::with_slots(v_cache.tensor(), slots, 1, kTokens));
    simdrope::Options options;
    options.q.norm = simdrope::rms_norm(q_weight.data());
    options.k.norm = simdrope::rms_norm(k_weight.data());
    job.window = Window::Of(rope.info());
    job.SetOptions(options);
    job.row = RowsOfRope(config, FrequenciesOf(rope.info()), positions);
    const simdrope::CosSinView rows = rope.stream(positions);
    const int64_t before = ComparedElements();
    CHECK(CheckJob(job, {&q_out, k_cache.memory(), v_cache.memory()},
                   [&] { return simdrope::apply(rows, job.in, job.out, options); }) == "");
    CHECK(ComparedElements() - before == (kTokens * kQHeads + 2 * (kTokens - 1) * kKvHeads) * kHeadDim);
  }
}

TEST_CASE("without Q, key_positions alone place K: those of cos_sin may have another length") {
  constexpr int64_t kTokens = 3;
  const simdrope::Rope rope = RopeOf(Config(8));
  const int64_t of_queries[] = {5}, of_keys[kTokens] = {7, 8, 9};
  std::vector<float> a(kTokens * 8), b;
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i) - 9;
  b = a;
  const simdrope::Positions keys = simdrope::Positions::per_token(of_keys, kTokens);
  simdrope::Options options;
  options.key_positions = &keys;
  const simdrope::QKV with(simdrope::Tensor(), simdrope::thd(a.data(), kTokens, 1, 8));
  const simdrope::QKV plain(simdrope::Tensor(), simdrope::thd(b.data(), kTokens, 1, 8));
  const simdrope::Status status =
      simdrope::apply(rope.stream(simdrope::Positions::per_token(of_queries, 1)), with, options);
  CHECK_MESSAGE(status.ok(), status.message());
  CHECK(simdrope::apply(rope.stream(keys), plain).ok());
  CHECK(a == b);
}

TEST_CASE("q8_0 and q4_0 have the bits that ggml gave") {
  std::ifstream file(SIMDROPE_TEST_DATA "/ggml_blocks.txt");
  REQUIRE(file.good());
  int blocks = 0, wrong = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, hex;
    uint64_t number = 0;
    words >> name >> number >> hex;
    const Format format = name == "q8_0" ? simdrope::q8_0 : simdrope::q4_0;
    const std::vector<float> block = DrawBlock(number);
    const auto to_hex = [](const std::vector<unsigned char>& bytes) {
      std::string text;
      for (const unsigned char byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
      }
      return text;
    };
    ForEachTarget([&](const simdrope_target&) { wrong += to_hex(StoredBlock(block, format)) == hex ? 0 : 1; });
    std::vector<unsigned char> encoded(hex.size() / 2);
    Encode({block.begin(), block.end()}, StoredHead{reinterpret_cast<char*>(encoded.data()), format, kBlockElements});
    wrong += to_hex(encoded) == hex ? 0 : 1;
    ++blocks;
  }
  CHECK(blocks == 128);
  CHECK(wrong == 0);
}

TEST_CASE("the distance of two values is counted in those between them, and NaN is near NaN alone") {
  for (const Format format : kFormats) {
    CAPTURE(NameOf(format));
    const double step = format == simdrope::f32 ? 0x1p-23 : format == simdrope::f16 ? 0x1p-10 : 0x1p-7;
    CHECK(UlpDistance(1, 1 + 3 * step, format) == 3);
    CHECK(UlpDistance(1, 1 - step, format) == 2);
    CHECK(UlpDistance(0.0, -0.0, format) == 0);
    CHECK(UlpDistance(NAN, -NAN, format) == 0);
    CHECK(UlpDistance(NAN, INFINITY, format) == INT64_MAX);
    CHECK(UlpDistance(1, NAN, format) == INT64_MAX);
  }
}

TEST_CASE("what a store may be off by covers every value within the error before it") {
  for (const Format format : {simdrope::f32, simdrope::f16, simdrope::bf16, simdrope::f8_e4m3, simdrope::f8_e5m2,
                              simdrope::i8, simdrope::u8, simdrope::q8_0, simdrope::q4_0}) {
    CAPTURE(NameOf(format));
    Random random(94);
    int wrong = 0;
    for (int draw = 0; draw < 200; ++draw) {
      constexpr int kCount = 32;
      Buffer memory(4 * kCount);
      float scale = 0.25f, zero_point = 0;
      StoredHead head{memory.data(), format, kCount};
      if (format == simdrope::f8_e4m3 || format == simdrope::f8_e5m2) head.scale = &scale;
      if (format == simdrope::i8 || format == simdrope::u8) {
        head.scale = &scale;
        head.zero_point = format == simdrope::u8 ? &zero_point : nullptr;
        head.scale_is_given = false;
      }
      // Half of them just below a power of two, which the error reaches beyond.
      std::vector<double> values, errors, actual;
      for (int i = 0; i < kCount; ++i) {
        const double power = std::ldexp(random.Chance(2) ? 1 : -1, static_cast<int>(random.Int(-3, 3)));
        values.push_back(random.Chance(2) ? power * random.Real(0.95, 1) : random.Real(-8, 8));
        errors.push_back(std::fabs(values.back()) * random.Real(0, 0.125));
        actual.push_back(Rounded(values.back() + errors.back() * random.Real(-1, 1), simdrope::f32));
      }
      const std::vector<double> allowed = StoreErrors(values, errors, head);
      Encode(actual, head);
      const std::vector<double> stored = Decode(head);
      for (size_t i = 0; i < kCount; ++i) {
        wrong += std::fabs(stored[i] - values[i]) <= allowed[i] ? 0 : 1;
        // And not much more: the error, and a step of the coarsest format here.
        wrong += allowed[i] <= errors[i] + 9.0 / 8 * 1.1 ? 0 : 1;
      }
    }
    CHECK(wrong == 0);
  }
}
