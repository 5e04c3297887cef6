#include "rotation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "names.h"
#include "targets.h"

namespace simdrope::tool {

void RotateArguments::AddTo(CLI::App& app) {
  rope.AddTo(app);
  chain.AddTo(app);
  app.add_option("--q", q, "Queries: FILE.npy, or FILE.safetensors:NAME (NAME may be left out if it is q)");
  app.add_option("--k", k, "Keys, likewise");
  app.add_option("--v", v, "Values, which are not rotated, but stored as the keys are");
  app.add_option("--layout", layout, "bshd|bhsd|thd: order of batch, seq, heads and head_dim; default bshd");
  app.add_option("--heads", heads, "Heads of Q, where its last axis is heads * head_dim");
  app.add_option("--kv-heads", kv_heads, "Heads of K and V, likewise");
  app.add_option("--positions", positions,
                 "First position (default 0), BEGIN:END, or ids.npy ([seq], [batch, seq] or [axes, batch, seq])");
  app.add_option("--cu-seqlens", cu_seqlens, "thd: boundaries of packed sequences, .npy [sequences + 1]");
  app.add_flag("--padding", padding, "An id of -1 marks padding, which is left alone");
  app.add_option("--out", out, "Folder for q.npy, k.npy and v.npy, or a .safetensors file for tensors q, k and v")
      ->required();
  app.add_option("--dtype", format, Choices(kFormats) + ": what the arrays hold; bf16 is uint16 in .npy");
  app.add_option("--out-dtype", out_format, Choices(kFormats) + "; default: as the input");
  app.add_option("--out-pairing", out_pairing, Choices(kPairings) + ": write the window so; default: as the input");
  app.add_option("--cos", cos, "A table of your own, looked up by position: .npy [rows, d/2]; f32, f16 or bf16");
  app.add_option("--sin", sin, "Its sines");
  app.add_option("--cos-sin", cos_sin, "Both in one file, with --form");
  app.add_option("--form", form, Choices(kTableForms) + ": form of the table; default half");
  app.add_option("--table-dtype", table_format, Choices(kFormats) + ": what the table holds");
  app.add_flag("--inverse", inverse, "Rotate back");
  app.add_option("--threads", threads, "0 (default): as many as pay")->check(CLI::Range(0, 1 << 16));
  app.add_option("--repeat", repeat, "Rotate so often and report the median time; default 3")
      ->check(CLI::Range(1, 1 << 20));
  app.add_flag("--check", check, "Compare with a plain double reference; exit code 1 beyond the bound");
  app.add_option("--expect-q", expect_q, "Compare Q with this array too; exit code 1 beyond --atol and --rtol");
  app.add_option("--expect-k", expect_k, "Compare K likewise");
  app.add_option("--expect-v", expect_v, "Compare V likewise");
  app.add_option("--atol", atol, "Absolute tolerance of --expect-*; default 0");
  app.add_option("--rtol", rtol, "Relative tolerance of --expect-*; default 0");
}

Rotation::Rotation(const RotateArguments& arguments) : arguments_(arguments) {
  if (arguments.q.empty() && arguments.k.empty() && arguments.v.empty()) Fail("nothing to do: say --q, --k or --v");
  ReadSide(arguments.q, "q", arguments.heads, q_);
  ReadSide(arguments.k, "k", arguments.kv_heads, k_);
  ReadSide(arguments.v, "v", arguments.kv_heads, v_);
  ReadTable();
  CheckSizes();
  const Side& first = this->first();
  choice_ = arguments.rope.Resolve(first.sizes.head_dim);
  if (choice_.config.head_dim != first.sizes.head_dim) {
    Fail(first.reference, " has head_dim ", first.sizes.head_dim, ", but the RoPE's is ", choice_.config.head_dim);
  }
  positions_ = TokenPositions::Parse(arguments.positions, arguments.cu_seqlens, arguments.padding);
  CheckPositions();

  Config& config = choice_.config;
  if (has_table() && arguments.rope.config.empty() && config.rotary_dim == 0) config.rotary_dim = 2 * table_.columns;
  rope_ = Compile(config, arguments.rope.config);
  const simdrope_rope_info info = rope_.info();
  if (has_table() && (info.pairs_in_sections || info.element_pair != nullptr)) {
    Fail("--cos: pairs_in_sections and angle_order want rows from a Config, not a table");
  }
  if (has_table()) {
    cos_sin_ = CosSinView(table_, info.pairing, positions_.view());
    cos_sin_.rotary_dim = info.rotary_dim;
    cos_sin_.rotary_offset = info.rotary_offset;
    cos_sin_.split = info.split;
    if (info.axes > 1) cos_sin_.pair_axis = info.pair_axis;
  } else {
    cos_sin_ = rope_.stream(positions_.view());
  }
  options_.inverse = arguments.inverse;
  options_.threads = arguments.threads;
  if (!arguments.out_pairing.empty()) {
    options_.output_pairing = Parse(kPairings, "--out-pairing", arguments.out_pairing);
  }
  window_ = reference::Window::Of(info, options_.output_pairing);
  SetStages();
  PrepareOutput(q_, false);
  PrepareOutput(k_, true);
  PrepareOutput(v_, true);
}

void Rotation::CheckSizes() const {
  const Side& first = this->first();
  const char* const name = q_.is_present() ? "Q" : "K";
  const auto agree = [&](const Side& side, const char* other) {
    const Sizes &a = first.sizes, &b = side.sizes;
    if (!side.is_present() || (a.batch == b.batch && a.seq == b.seq && a.head_dim == b.head_dim)) return;
    Fail(name, " is ", a.batch, " x ", a.seq, " tokens of head_dim ", a.head_dim, ", but ", other, " ", b.batch, " x ",
         b.seq, " of ", b.head_dim);
  };
  agree(k_, "K");
  agree(v_, "V");
}

void Rotation::SetStages() {
  const ChainArguments& a = arguments_.chain;
  if (!q_.is_present() && !a.q_norm.empty()) Fail("--q-norm wants --q");
  if (!k_.is_present() && !a.k_norm.empty()) Fail("--k-norm wants --k");
  q_norm_.Read(a, "q", a.q_norm, a.q_bias, q_.sizes);
  k_norm_.Read(a, "k", a.k_norm, a.k_bias, k_.sizes);
  options_.q.norm = q_norm_.norm();
  options_.k.norm = k_norm_.norm();
  for (simdrope_stages* stages : {&options_.q, &options_.k}) {
    stages->hadamard = a.hadamard;
    stages->input_hadamard = a.input_hadamard;
  }
  options_.q.scale = static_cast<float>(a.q_scale);
  if (!k_.is_present() && !v_.is_present()) {
    if (!a.out_format.empty()) Fail("--out-format is how K and V are stored: say --k or --v; --out-dtype is for Q");
    if (a.has_cache() || !a.slots.empty()) Fail("--cache and --slots are for K and V: say --k or --v");
  }
  if (!a.has_cache() && !a.slots.empty()) Fail("--slots wants --cache, the size of what they are rows of");
  if (a.has_cache()) cache_.Read(a, k_.is_present() ? k_.sizes : v_.sizes);
}

void Rotation::ReadSide(const std::string& reference, const char* usual_name, std::optional<int64_t> heads,
                        Side& side) {
  if (reference.empty()) return;
  side.reference = reference;
  side.in_array = ReadArray(reference, usual_name);
  side.format = side.out_format = FormatOf(side.in_array, reference, arguments_.format);
  if (!arguments_.out_format.empty()) side.out_format = Parse(kFormats, "--out-dtype", arguments_.out_format);
  std::optional<int64_t> head_dim;
  if (!heads && side.in_array.shape.size() == (ParseLayout(arguments_.layout) == Layout::kThd ? 2 : 3)) {
    const int32_t known = arguments_.rope.Resolve().config.head_dim;
    if (known > 0) head_dim = known;
  }
  side.sizes = SizesOf(side.in_array, reference, ParseLayout(arguments_.layout), heads, head_dim);
}

void Rotation::ReadTable() {
  const RotateArguments& a = arguments_;
  if (a.cos.empty() && a.sin.empty() && a.cos_sin.empty()) {
    if (!a.form.empty() || !a.table_format.empty())
      Fail("--form and --table-dtype want a table: --cos and --sin, or --cos-sin");
    return;
  }
  const bool joined = !a.cos_sin.empty();
  if (joined ? !a.cos.empty() || !a.sin.empty() : a.cos.empty() || a.sin.empty()) {
    Fail("a table is --cos and --sin together, or --cos-sin alone");
  }
  const TableForm form = a.form.empty() ? TableForm::kHalf : Parse(kTableForms, "--form", a.form);
  if (joined != IsJoined(form)) {
    Fail("--form ", NameOf(kTableForms, form), " goes with ", IsJoined(form) ? "--cos-sin" : "--cos and --sin");
  }
  const std::string& reference = joined ? a.cos_sin : a.cos;
  table_arrays_.cos = ReadArray(reference, joined ? "cos_sin" : "cos");
  const Format format = FormatOf(table_arrays_.cos, reference, a.table_format);
  if (!joined) {
    table_arrays_.sin = ReadArray(a.sin, "sin");
    if (FormatOf(table_arrays_.sin, a.sin, a.table_format) != format) Fail("--cos and --sin have different dtypes");
  }
  table_ = TableOf(table_arrays_, form, format);
}

void Rotation::CheckPositions() const {
  const Side& first = this->first();
  if (positions_.length() && *positions_.length() != first.sizes.seq) {
    Fail("--positions ", arguments_.positions, " has ", *positions_.length(), " positions, but ", first.reference, " ",
         first.sizes.seq, " tokens a sequence");
  }
}

void Rotation::PrepareOutput(Side& side, bool is_cached) {
  if (!side.is_present()) return;
  const ChainArguments& chain = arguments_.chain;
  const Layout layout = ParseLayout(arguments_.layout);
  side.in = TensorOf(side.in_array, side.format, layout, side.sizes);
  if (is_cached) side.out_format = chain.StoreOf(side.out_format);
  const bool has_cache = is_cached && chain.has_cache();
  const Sizes sizes = has_cache ? cache_.SizesOf(side.sizes) : side.sizes;
  std::vector<int64_t> shape = side.in_array.shape;
  if (has_cache) {
    shape = {sizes.batch, sizes.seq, sizes.heads, sizes.head_dim};
    if (cache_.layout == Layout::kBhsd) std::swap(shape[1], shape[2]);
  }
  const bool has_blocks = side.out_format == q8_0 || side.out_format == q4_0;
  if (has_blocks && sizes.head_dim % 32 != 0) {
    Fail("--out-format ", arguments_.chain.out_format, " has blocks of 32 elements: head_dim ", sizes.head_dim,
         " is no multiple");
  }
  if (has_blocks) shape.back() = size_of(side.out_format, shape.back());
  if (arguments_.padding && !has_cache) {
    // Padding is not written: it must be in the output beforehand.
    if (side.format != side.out_format) Fail("--padding leaves tokens alone, so --out-dtype must be the input's");
    side.out_array = side.in_array;
  } else {
    side.out_array = io::Array::zeros(StoredTypeOf(side.out_format), shape);
  }
  side.out = TensorOf(side.out_array, side.out_format, has_cache ? cache_.layout : layout, sizes);
  if (is_cached) side.scales.AddTo(chain, &side.out);
  if (has_cache) side.out = cache_.WithSlots(side.out, side.sizes);
}

void Rotation::Apply() { Require(apply(cos_sin_, inputs(), outputs(), options_)); }

reference::Comparison Rotation::CompareWithReference() const {
  reference::Job job;
  job.in = inputs();
  job.out = outputs();
  job.window = window_;
  job.SetOptions(options_);
  job.row = has_table()
                ? reference::RowsOfTable(cos_sin_, window_.pairs())
                : reference::RowsOfRope(choice_.config, reference::FrequenciesOf(rope_.info()), positions_.view());
  reference::Comparison comparison;
  reference::CompareAll(job, &comparison);
  return comparison;
}

Deviation CompareWithExpected(const Side& side, const std::string& reference, double atol, double rtol) {
  const io::Array expected = ReadArray(reference, "expected");
  const Format format = FormatOf(expected, reference, expected.type == io::ElementType::u16 ? "bf16" : "");
  if (side.out_format != f32 && side.out_format != f16 && side.out_format != bf16) {
    Fail(reference, ": f32, f16 and bf16 can be compared; ", side.reference, " is stored in another format");
  }
  if (expected.shape != side.out_array.shape) Fail(reference, " has not the shape that ", side.reference, " comes to");
  Deviation deviation;
  for (int64_t i = 0; i < expected.size(); ++i) {
    const double want = reference::Load(expected.bytes.data() + size_of(format, i), format);
    const double got = reference::Load(side.out_array.bytes.data() + size_of(side.out_format, i), side.out_format);
    ++deviation.elements;
    if (got == want || (std::isnan(got) && std::isnan(want))) continue;
    const double error = std::fabs(got - want);
    deviation.worst = std::max(deviation.worst, error);
    if (!(error <= atol + rtol * std::fabs(want)) && deviation.ok()) {
      deviation.first_wrong = Text("element ", i, " of ", side.reference, " comes to ", got, ", expected ", want);
    }
  }
  return deviation;
}

}  // namespace simdrope::tool
