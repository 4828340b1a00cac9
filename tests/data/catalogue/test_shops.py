"""The exports of Shopify, WooCommerce, Magento, BigCommerce and Meta go in as they are."""

from typing import Any

from app.data.catalogue.assumed import Assumed
from tests.data.catalogue.test_feeds import take  # noqa: F401 - the fixture

URL = Assumed.told("EUR", "", "", "https://shop.example")


def test_a_shopify_export_gives_its_variants_the_texts_of_their_product(take: Any) -> None:  # noqa: F811
    found = take(
        "Handle,Title,Body (HTML),Vendor,Variant SKU,Variant Inventory Qty,Variant Price,Image Src\n"
        "oak-chair,Oak chair,<p>Solid.</p>,Woodly,OAK-1,0,90.00,https://shop.example/oak1.jpg\n"
        "oak-chair,,,,OAK-2,4,95.00,https://shop.example/oak2.jpg\n"
        "oak-chair,,,,,,,https://shop.example/oak3.jpg\n",
        assumed=URL,
    )
    one, two = found.items["OAK-1"], found.items["OAK-2"]
    assert [(item.title, item.brand, item.group_id, item.available) for item in (one, two)] == [
        ("Oak chair", "Woodly", "oak-chair", False),
        ("Oak chair", "Woodly", "oak-chair", True),
    ]
    assert (str(two.price), two.currency) == ("95.00", "EUR")
    assert found.document("OAK-2")["image_link"] == "https://shop.example/oak2.jpg"
    assert found.document("OAK-2")["link"] == "https://shop.example/products/oak-chair"
    assert found.refused == {}
    assert found.warnings == {"a row that holds a further picture only was passed over": 1}
    assert found.notes == ["read as an export of Shopify"]


def test_a_shopify_export_knows_drafts_endless_stock_and_reductions(take: Any) -> None:  # noqa: F811
    header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,"
    found = take(
        header + "Variant Price,Variant Compare At Price,Product Category,Status\n"
        "tee,Tee,Size,S,,shopify,0,continue,15.00,20.00,Apparel > Tees,active\n"
        "tee,,Size,M,,,0,deny,20.00,15.00,,\n"
        "cap,Cap,Title,Default Title,CAP,shopify,5,deny,9.00,,Hats,draft\n",
        assumed=URL,
    )
    assert [(i, x.available, str(x.price), x.sale_price and str(x.sale_price), x.category) for i, x in found.items.items()] == [
        ("tee-S", True, "20.00", "15.00", "Apparel > Tees"),
        ("tee-M", True, "20.00", None, "Apparel > Tees"),
        ("CAP", False, "9.00", None, "Hats"),
    ]


def test_shopifys_products_json_gives_an_item_a_variant(take: Any) -> None:  # noqa: F811
    text = """{"products": [{"id": 1, "title": "Tee", "handle": "tee", "vendor": "V", "product_type": "Tops", "body_html": "<p>x</p>",
      "images": [{"src": "https://c/1.jpg"}],
      "variants": [{"id": 11, "sku": "TEE-S", "price": "15.00", "compare_at_price": "20.00", "available": false},
                   {"id": 12, "sku": "", "price": "15.00", "compare_at_price": null, "available": true, "featured_image": {"src": "https://c/2.jpg"}}]}]}"""
    found = take(text, "products.json", assumed=URL)
    assert [(i, x.group_id, x.available, str(x.price), x.title) for i, x in found.items.items()] == [
        ("TEE-S", "tee", False, "20.00", "Tee"),
        ("12", "tee", True, "15.00", "Tee"),
    ]
    assert [found.document(item)["image_link"] for item in ("TEE-S", "12")] == ["https://c/1.jpg", "https://c/2.jpg"]


def test_a_woocommerce_export_gives_variations_what_they_lack(take: Any) -> None:  # noqa: F811
    found = take(
        'ID,Type,SKU,Name,Published,"In stock?",Stock,"Sale price","Regular price",Categories,Images,Parent\n'
        '901,simple,woo-cap,"Blue cap",1,1,,16,18,"Clothing, Clothing > Caps","https://s.example/cap.jpg, https://s.example/cap2.jpg",\n'
        '902,simple,woo-belt,"Brown belt",1,0,0,,65,"Clothing > Belts",https://s.example/belt.jpg,\n'
        '903,simple,woo-draft,"Hidden draft",0,1,,,65,"Clothing > Caps",https://s.example/d.jpg,\n'
        '904,variable,woo-tee,Tee,1,1,,,,"Clothing > Tees",https://s.example/tee.jpg,\n'
        '905,variation,woo-tee-red,"Tee - Red",1,backorder,,,20,,,woo-tee\n'
        '906,variation,,"Tee - Blue",1,1,,,20,,,id:904\n',
        assumed=URL,
    )
    assert {i: (x.available, str(x.price), x.category, x.group_id) for i, x in found.items.items()} == {
        "woo-cap": (True, "18", "Clothing > Caps", "woo-cap"),
        "woo-belt": (False, "65", "Clothing > Belts", "woo-belt"),
        "woo-draft": (False, "65", "Clothing > Caps", "woo-draft"),
        "woo-tee-red": (True, "20", "Clothing > Tees", "woo-tee"),
        "906": (True, "20", "Clothing > Tees", "woo-tee"),
    }
    assert str(found.items["woo-cap"].sale_price) == "16"
    assert found.document("906")["image_link"] == "https://s.example/tee.jpg"
    assert found.document("woo-cap")["additional_image_link"] == ["https://s.example/cap2.jpg"]
    assert found.document("woo-cap")["link"] == "https://shop.example/?p=901"


def test_columns_that_are_named_are_read_as_they_are_named(take: Any) -> None:  # noqa: F811
    found = take('ID,Name,"In stock?"\n1,Cap,0\n2,Hat,1\n3,Tie,?\n', columns={"In stock?": "availability", "Name": "title"})
    assert {i: x.available for i, x in found.items.items()} == {"1": False, "2": True}
    assert "availability must be" in found.refused[4]
    woo = 'ID,SKU,Name,"In stock?","Regular price"\n1,cap,Cap,0,5\n'
    assert take(woo, columns={"SKU": "id"}).document("cap") == {"id": "cap", "name": "Cap", "in_stock?": "0", "regular_price": "5"}
    assert take(woo, kind="csv").document("1")["sku"] == "cap"


def test_woocommerces_interface_is_read(take: Any) -> None:  # noqa: F811
    text = """[{"id": 7, "name": "Cap", "sku": "", "permalink": "https://s.example/cap", "price": "16",
      "regular_price": "18", "sale_price": "16",
      "stock_status": "onbackorder", "categories": [{"name": "Caps"}], "images": [{"src": "https://s.example/cap.jpg"}]}]"""
    found = take(text, "woo.json", assumed=URL)
    item = found.items["7"]
    assert (item.title, item.available, str(item.price), str(item.sale_price), item.category) == ("Cap", True, "18", "16", "Caps")


def test_a_magento_export_is_read(take: Any) -> None:  # noqa: F811
    header = "sku,store_view_code,attribute_set_code,product_type,categories,name,price,special_price,special_price_from_date,url_key,base_image,"  # noqa: E501
    found = take(
        header + "visibility,product_online,is_in_stock,qty\n"
        '24-MB01,,Bag,simple,"Default Category/Gear,Default Category/Gear/Bags",Duffle,34.00,29.00,2020-01-01 00:00:00,duffle,/m/b/mb01.jpg,"Catalog, Search",1,1,100\n'  # noqa: E501
        "24-MB01,de,Bag,simple,,Tasche,,,,,,,,,\n"
        'MH01-XS,,Top,simple,"Default Category/Men",Hoodie-XS,52.00,,,hoodie-xs,,Not Visible Individually,1,1,5\n'
        'MH02,,Top,simple,"Default Category/Men",Hoodie,52.00,,,hoodie,,"Catalog, Search",1,0,0\n',
        assumed=URL,
    )
    assert {i: (x.title, x.available, str(x.price), x.category) for i, x in found.items.items()} == {
        "24-MB01": ("Duffle", True, "34.00", "Gear > Bags"),
        "MH02": ("Hoodie", False, "52.00", "Men"),
    }
    assert str(found.items["24-MB01"].sale_price) == "29.00"
    assert found.document("24-MB01")["image_link"] == "https://shop.example/media/catalog/product/m/b/mb01.jpg"
    assert sum(found.warnings.values()) >= 2


def test_a_bigcommerce_export_is_read(take: Any) -> None:  # noqa: F811
    found = take(
        "Item Type,Product ID,Product Name,Product Code/SKU,Brand Name,Price,Sale Price,Track Inventory,Current Stock Level,Product Visible?,"  # noqa: E501
        "Category,Product Image URL - 1,Product URL\n"
        "Product,77,Fern,FERN,Leafy,45,40,by product,0,Y,Plants/Indoor;Sale,https://c/f.jpg,https://s.example/fern\n"
        "Product,78,Moss,,Leafy,5,,none,0,Y,Plants,https://c/m.jpg,https://s.example/moss\n"
        "Product,79,Ivy,IVY,Leafy,5,,none,0,N,Plants,,https://s.example/ivy\n"
        "SKU,,[S]Size=L,FERN-L,,,,,,,,,\n",
        assumed=URL,
    )
    assert {i: (x.title, x.available, str(x.price), x.category) for i, x in found.items.items()} == {
        "FERN": ("Fern", False, "45", "Plants > Indoor"),
        "78": ("Moss", True, "5", "Plants"),
        "IVY": ("Ivy", False, "5", "Plants"),
    }


def test_metas_catalogue_template_is_read(take: Any) -> None:  # noqa: F811
    found = take(
        '"# Required | A unique content ID.","# Required | title","# Required | availability",# Required,#\n'
        "id,title,availability,price,sale_price\n"
        "0,Blue shirt,available for order,10.00 USD,8.00 USD\n"
    )
    assert (found.items["0"].available, str(found.items["0"].sale_price)) == (True, "8.00")
