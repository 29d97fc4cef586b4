"use strict";
// Finds and orders the cards of a page over several images; without it they are a list.
(function () {
  var list = document.getElementById("cards"), find = document.getElementById("find");
  var order = document.getElementById("order"), worry = document.getElementById("worry");
  var cards = Array.prototype.map.call(list.children, function (card, at) {
    return { card: card, at: at, text: card.textContent.toLowerCase(), file: card.dataset.file, sure: +card.dataset.sure, warnings: +card.dataset.warnings };
  });
  var orders = {
    "": function () { return 0; },
    file: function (a, b) { return a.file.localeCompare(b.file, undefined, { numeric: true }); },
    sure: function (a, b) { return a.sure - b.sure; },
    warnings: function (a, b) { return b.warnings - a.warnings; }
  };
  function show() {
    var words = find.value.toLowerCase().split(/\s+/), count = 0;
    cards.forEach(function (c) {
      c.card.hidden = worry.checked && !c.warnings || !words.every(function (w) { return c.text.includes(w); });
      if (!c.card.hidden) count++;
    });
    document.getElementById("count").textContent = count + " of " + cards.length;
  }
  function sort() {
    var by = orders[order.value];
    cards.slice().sort(function (a, b) { return by(a, b) || a.at - b.at; }).forEach(function (c) { list.appendChild(c.card); });
  }
  find.form.hidden = false;
  find.form.addEventListener("submit", function (event) { event.preventDefault(); });
  find.addEventListener("input", show);
  worry.addEventListener("change", show);
  order.addEventListener("change", sort);
  show();
  sort();
})();
