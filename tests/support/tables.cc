#include "support/tables.h"

namespace testing {
namespace {

using simdrope::Format;
using simdrope::Table;

constexpr int kExtraColumns = 3;

Table MakeView(TableForm form, char* cos, char* sin, Format format, int64_t rows, int pairs) {
  switch (form) {
    case TableForm::kPlain: return Table(cos, sin, format, rows, pairs);
    case TableForm::kWider: return Table(cos, sin, format, rows, pairs + kExtraColumns);
    case TableForm::kDoubledHalves: return Table::doubled_halves(cos, sin, format, rows, pairs);
    case TableForm::kDoubledElements: return Table::doubled_elements(cos, sin, format, rows, pairs);
    case TableForm::kCosSin: return Table::cos_sin_rows(cos, format, rows, pairs);
    case TableForm::kSinCos: return Table::cos_sin_rows(cos, format, rows, pairs, true);
    case TableForm::kComplex: return Table::complex_rows(cos, format, rows, pairs);
  }
  return Table();
}

// Elements from the beginning of a row to pair i's cos or sin, and of a whole row, as each form is
// defined; written apart from the library's makers.
struct Column {
  int width;
  int cos;
  int sin;
  bool shared;  // cos and sin are in the same rows
  int second;   // of a second copy; -1: none
};

Column ColumnOf(TableForm form, int pairs, int i) {
  switch (form) {
    case TableForm::kPlain: return {pairs, i, i, false, -1};
    case TableForm::kWider: return {pairs + kExtraColumns, i, i, false, -1};
    case TableForm::kDoubledHalves: return {2 * pairs, i, i, false, i + pairs};
    case TableForm::kDoubledElements: return {2 * pairs, 2 * i, 2 * i, false, 2 * i + 1};
    case TableForm::kCosSin: return {2 * pairs, i, pairs + i, true, -1};
    case TableForm::kSinCos: return {2 * pairs, pairs + i, i, true, -1};
    case TableForm::kComplex: return {2 * pairs, 2 * i, 2 * i + 1, true, -1};
  }
  return {};
}

int64_t BytesFor(TableForm form, Format format, int64_t rows, int pairs) {
  return rows * ColumnOf(form, pairs, 0).width * simdrope::size_of(format);
}

}  // namespace

DrawnTable::DrawnTable(TableForm form, Format format, int64_t batches, int64_t rows, int pairs, Random* random)
    : pairs_(pairs),
      cos_memory_(BytesFor(form, format, batches * rows, pairs), static_cast<int>(2 * simdrope::size_of(format))),
      sin_memory_(BytesFor(form, format, batches * rows, pairs)),
      view_(MakeView(form, cos_memory_.data(), sin_memory_.data(), format, rows, pairs).per_batch(batches)) {
  const int64_t size = simdrope::size_of(format);
  for (int64_t r = 0; r < batches * rows; ++r) {
    for (int i = 0; i < pairs; ++i) {
      const Column column = ColumnOf(form, pairs, i);
      const auto put = [&](Buffer& memory, int at, std::vector<double>* values) {
        values->push_back(Rounded(random->Real(-1, 1), format));
        Store(values->back(), format, memory.data() + (r * column.width + at) * size);
        if (column.second >= 0)
          Store(values->back(), format, memory.data() + (r * column.width + column.second) * size);
      };
      put(cos_memory_, column.cos, &cos_);
      put(column.shared ? cos_memory_ : sin_memory_, column.sin, &sin_);
    }
  }
}

size_t DrawnTable::IndexOf(int64_t b, int64_t row, int pair) const {
  const int64_t entry = view_.batches == 1 ? 0 : b;
  return static_cast<size_t>((entry * view_.rows + row) * pairs_ + pair);
}

Row DrawnTable::At(int64_t b, const std::vector<double>& positions, double magnitude) const {
  Row row;
  row.error = magnitude == 1 ? 0 : kU;
  for (int i = 0; i < pairs_; ++i) {
    const size_t index = IndexOf(b, static_cast<int64_t>(positions[static_cast<size_t>(i)]), i);
    row.cos.push_back(cos_[index] * magnitude);
    row.sin.push_back(sin_[index] * magnitude);
  }
  return row;
}

}  // namespace testing
