"""The words and numbers that the generated shop is made of: departments, styles, brands, colours, places."""

from typing import NamedTuple


class Category(NamedTuple):
    """A category: its groups at full size, the silhouette of its pictures, prices in pounds, season, and what goes with it.

    `season` is above 0 for summer, below 0 for winter; `basic` things are bought again and again. `nouns` are pairs of
    English and German.
    """

    name: str
    code: str
    groups: int
    shape: str
    cheapest: float
    dearest: float
    season: float
    basic: bool
    nouns: tuple[tuple[str, str], ...]
    goes_with: tuple[str, ...]

    @property
    def department(self) -> str:
        """The upper level."""
        return self.name.partition(" > ")[0]


def _c(
    name: str,
    code: str,
    groups: int,
    shape: str,
    prices: tuple[float, float],
    season: float,
    nouns: str,
    goes_with: str,
    basic: bool = False,
) -> Category:
    pairs = [pair.partition("/")[::2] for pair in nouns.split(", ")]
    return Category(name, code, groups, shape, *prices, season, basic, tuple(pairs), tuple(goes_with.split()))


CATEGORIES: tuple[Category, ...] = (
    _c("Women > Dresses", "WD", 60, "dress", (29, 140), 0.7,
       "Wrap Dress/Wickelkleid, Midi Dress/Midikleid, Shirt Dress/Hemdblusenkleid, Slip Dress/Slipkleid, Tea Dress/Teekleid", "WA AB WC"),
    _c("Women > Tops", "WT", 45, "top", (15, 55), 0.3,
       "Camisole/Camisole, Wrap Top/Wickeltop, Blouse/Bluse, Peplum Top/Schößchentop", "WJ WK AC"),
    _c("Women > T-Shirts", "WS", 35, "tshirt", (9, 32), 0.2,
       "Crew Tee/T-Shirt, V-Neck Tee/V-Shirt, Long-Sleeve Tee/Langarmshirt",
       "WJ WN AO", True),
    _c("Women > Knitwear", "WW", 40, "knit", (29, 110), -0.8, "Jumper/Pullover, Cardigan/Cardigan, Roll-Neck/Rollkragenpullover",
       "WJ AC AH"),
    _c("Women > Jeans", "WJ", 30, "trousers", (35, 110), 0, "Straight Jeans/Straight Jeans, Slim Jeans/Slim Jeans, Wide Jeans/Weite Jeans",
       "WS AT WN"),
    _c("Women > Trousers", "WR", 25, "trousers", (29, 95), 0, "Chinos/Chino, Palazzo Trousers/Palazzohose, Joggers/Jogginghose",
       "WT AT WN"),
    _c("Women > Skirts", "WK", 30, "skirt", (22, 80), 0.6, "Midi Skirt/Midirock, Pleated Skirt/Faltenrock, Mini Skirt/Minirock",
       "WT WA AB"),
    _c("Women > Coats & Jackets", "WC", 40, "coat", (59, 260), -0.7, "Wool Coat/Wollmantel, Parka/Parka, Blazer/Blazer, Trench/Trenchcoat",
       "AC AH WB"),
    _c("Women > Sneakers", "WN", 25, "sneaker", (39, 130), 0.1, "Sneakers/Sneaker, Runners/Laufschuhe", "AO WJ"),
    _c("Women > Boots", "WB", 25, "boot", (59, 190), -0.8, "Ankle Boots/Stiefeletten, Chelsea Boots/Chelsea Boots, Boots/Stiefel",
       "AO WC AC"),
    _c("Women > Sandals", "WA", 25, "sandal", (25, 95), 1.0, "Sandals/Sandalen, Slides/Pantoletten, Espadrilles/Espadrilles", "AG AB WD"),
    _c("Men > T-Shirts", "MS", 40, "tshirt", (9, 32), 0.2, "Crew Tee/T-Shirt, Henley/Henley-Shirt, Pocket Tee/Shirt mit Tasche",
       "MJ MN AO", True),
    _c("Men > Shirts", "MH", 45, "shirt", (25, 90), 0.1, "Oxford Shirt/Oxfordhemd, Overshirt/Overshirt, Camp Shirt/Freizeithemd",
       "MR AT MW"),
    _c("Men > Knitwear", "MW", 35, "knit", (29, 120), -0.8, "Jumper/Pullover, Quarter-Zip/Troyer, Cardigan/Cardigan", "MJ AC AH"),
    _c("Men > Jeans", "MJ", 30, "trousers", (35, 110), 0, "Straight Jeans/Straight Jeans, Slim Jeans/Slim Jeans, Relaxed Jeans/Weite Jeans",
       "MS AT MN"),
    _c("Men > Trousers", "MR", 25, "trousers", (29, 95), 0, "Chinos/Chino, Cargo Trousers/Cargohose, Joggers/Jogginghose", "MH AT MN"),
    _c("Men > Shorts", "MO", 20, "shorts", (19, 60), 1.0, "Chino Shorts/Chinoshorts, Swim Shorts/Badeshorts", "MS AG"),
    _c("Men > Jackets",
       "MC", 40, "coat", (59, 250), -0.6, "Bomber Jacket/Bomberjacke, Parka/Parka, Overcoat/Mantel, Field Jacket/Feldjacke",
       "AC AH MB"),
    _c("Men > Sneakers", "MN", 30, "sneaker", (39, 140), 0.1, "Sneakers/Sneaker, Runners/Laufschuhe, High-Tops/High-Tops", "AO MJ"),
    _c("Men > Boots", "MB", 20, "boot", (69, 200), -0.7, "Chelsea Boots/Chelsea Boots, Hiking Boots/Wanderstiefel, Chukkas/Chukka Boots",
       "AO MC"),
    _c("Accessories > Bags", "AB", 30, "bag", (25, 180), 0, "Tote/Shopper, Crossbody Bag/Umhängetasche, Backpack/Rucksack", "AC AT"),
    _c("Accessories > Hats", "AH", 20, "hat", (12, 45), -0.8, "Beanie/Mütze, Bobble Hat/Bommelmütze", "AC"),
    _c("Accessories > Scarves", "AC", 20, "scarf", (15, 70), -0.9, "Scarf/Schal, Snood/Loop", "AH"),
    _c("Accessories > Belts", "AT", 15, "belt", (15, 50), 0, "Belt/Gürtel, Woven Belt/Flechtgürtel", "AB"),
    _c("Accessories > Socks", "AO", 20, "socks", (5, 18), -0.1, "Socks/Socken, Ankle Socks/Sneakersocken, Sports Socks/Sportsocken",
       "AO", True),
    _c("Accessories > Sunglasses", "AG", 15, "glasses", (18, 120), 1.0, "Sunglasses/Sonnenbrille", "AB"),
)  # fmt: skip


class Style(NamedTuple):
    """A taste: the words its things are described with, and its colours."""

    name: str
    german: str
    adjectives: tuple[str, ...]
    colours: tuple[str, ...]
    sentence: str
    german_sentence: str


STYLES: tuple[Style, ...] = (
    Style("minimal", "schlicht", ("Clean", "Pared-Back", "Boxy", "Tailored"), ("Ink", "Oat", "Stone", "White"),
          "Quiet lines and nothing that shouts.", "Ruhige Linien, nichts Lautes."),
    Style("romantic", "romantisch", ("Ruffled", "Floral", "Lace-Trim", "Soft"), ("Dusty Rose", "Lilac", "Cream", "Cherry"),
          "Soft shapes with a small flourish.", "Weiche Formen mit kleinem Schmuck."),
    Style("sporty", "sportlich", ("Panelled", "Striped", "Featherweight", "Stretch"), ("Cobalt", "White", "Signal Red", "Slate"),
          "Made to move, easy to wash.", "Für Bewegung gemacht, leicht zu waschen."),
    Style("street", "lässig", ("Oversized", "Graphic", "Cropped", "Washed"), ("Ink", "Acid Lime", "Slate", "Tangerine"),
          "A loose cut with an edge.", "Weiter Schnitt mit Kante."),
    Style("boho", "verspielt", ("Embroidered", "Tasselled", "Printed", "Crochet"), ("Terracotta", "Ochre", "Sage", "Cream"),
          "Handmade looks and warm colours.", "Wie handgemacht, in warmen Farben."),
    Style("classic", "klassisch", ("Fine", "Checked", "Timeless", "Button-Down"), ("Navy", "Camel", "Burgundy", "White"),
          "The one you reach for every week.", "Das Stück für jede Woche."),
    Style("outdoor", "wetterfest", ("Quilted", "Rugged", "Waxed", "Thermal"), ("Forest", "Ochre", "Slate", "Rust"),
          "Keeps out wind and rain.", "Hält Wind und Regen ab."),
    Style("evening", "festlich", ("Draped", "Satin-Finish", "Sculpted", "Velvet-Touch"), ("Midnight", "Emerald", "Burgundy", "Champagne"),
          "For dinners that end late.", "Für Abende, die spät enden."),
)  # fmt: skip

COLOURS: dict[str, tuple[str, str]] = {
    "Ink": ("Tinte", "#2b2d33"), "Oat": ("Hafer", "#d9cbb3"), "Stone": ("Stein", "#b1aaa0"), "White": ("Weiß", "#f4f2ee"),
    "Dusty Rose": ("Altrosa", "#cf9aa0"), "Lilac": ("Flieder", "#b9a3cf"), "Cream": ("Creme", "#efe3cb"), "Cherry": ("Kirsche", "#b02a44"),
    "Cobalt": ("Kobalt", "#2f55b8"), "Signal Red": ("Signalrot", "#d2402f"), "Slate": ("Schiefer", "#647080"),
    "Acid Lime": ("Limette", "#b5cc3b"), "Tangerine": ("Mandarine", "#e9823a"), "Terracotta": ("Terrakotta", "#c1694a"),
    "Ochre": ("Ocker", "#cf9b3a"), "Sage": ("Salbei", "#9bab8a"), "Navy": ("Marine", "#26365a"), "Camel": ("Kamel", "#bd9468"),
    "Burgundy": ("Burgunder", "#6d2438"), "Forest": ("Wald", "#38553f"), "Rust": ("Rost", "#a4512c"), "Midnight": ("Nacht", "#20264a"),
    "Emerald": ("Smaragd", "#1f6f58"), "Champagne": ("Champagner", "#dcc7a0"),
}  # fmt: skip

FABRICS: tuple[tuple[str, str], ...] = (
    ("Cotton", "Baumwolle"), ("Linen", "Leinen"), ("Merino", "Merino"), ("Silk", "Seide"), ("Denim", "Denim"), ("Viscose", "Viskose"),
    ("Corduroy", "Cord"), ("Jersey", "Jersey"), ("Leather", "Leder"), ("Canvas", "Canvas"),
)  # fmt: skip
# Which fabrics (places in FABRICS) a silhouette is made of.
FABRICS_OF: dict[str, tuple[int, ...]] = {
    "dress": (0, 1, 3, 5, 7), "top": (0, 1, 3, 5), "tshirt": (0, 7), "knit": (0, 2), "trousers": (0, 1, 6), "skirt": (0, 1, 4, 6),
    "coat": (0, 2, 6, 9), "shirt": (0, 1, 4), "shorts": (0, 1, 4), "sneaker": (8, 9), "boot": (8,), "sandal": (8,), "bag": (8, 9),
    "hat": (0, 2), "scarf": (2, 3), "belt": (8,), "socks": (0, 2), "glasses": (),
}  # fmt: skip

BRANDS: tuple[str, ...] = (
    "Nordhavn", "Oat & Ink", "Maison Lune", "Petal Row", "Kinetic", "Lap Nine", "Kerb", "Static Club", "Solana", "Wild Fennel",
    "Harrow & Reed", "Pemberley", "Fjellvik", "Cairn", "Noctis", "Vesper Lane",
)  # fmt: skip
"""Two brands a style, in the order of STYLES: the first of each pair is the cheaper one."""

SIZES: tuple[str, ...] = ("XS", "S", "M", "L", "XL")
SHOE_SIZES: tuple[str, ...] = ("37", "39", "41", "43", "45")
COUNTRIES: tuple[tuple[str, float], ...] = (("GB", 0.5), ("DE", 0.2), ("FR", 0.12), ("NL", 0.08), ("IE", 0.06), ("SE", 0.04))
NAMES: tuple[tuple[str, ...], tuple[str, ...]] = (
    ("Emma", "Olivia", "Amelia", "Isla", "Freya", "Clara", "Lena", "Marie", "Chloé", "Saskia", "Niamh", "Astrid", "Priya", "Zara", "Ines"),
    ("Oliver", "Noah", "Arthur", "Theo", "Felix", "Jonas", "Lukas", "Hugo", "Bram", "Cillian", "Axel", "Omar", "Ravi", "Mateo", "Sam"),
)  # fmt: skip
NAME_OF: tuple[str, ...] = (
    "Elin", "Mara", "Juno", "Odette", "Wren", "Isa", "Noor", "Thea", "Vida", "Ada", "Bo", "Cleo", "Dara", "Esme", "Fenn", "Gaia",
)  # fmt: skip
"""Names of models, which German titles carry."""
